"""`amae peer` and `amae synthetic-panel`."""

from __future__ import annotations

from argparse import Namespace

from amae_engine.cli import training_commands
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import Synthesis
from amae_engine.config.peers import PeerMethod
from amae_engine.errors import BadSetting
from amae_engine.project import Project


def peer(options: Namespace) -> None:
    """List the peers, or train one and score the test images."""
    if options.list:
        _list(options.json)
        return
    if options.project is None:
        raise BadSetting("amae peer needs --project FOLDER; or --list to see the methods.")
    if not options.method and options.resume is None:
        raise BadSetting("amae peer needs a method's NAME; `amae peer --list` names them.")
    options.method = options.method or PeerMethod.AE.value  # a resumed run has its own settings
    training_commands.train(options)


def panel(options: Namespace) -> None:
    """Write the picture and say where it is."""
    from amae_engine.jobs.training.synthetic_panel import synthetic_panel

    project = Project.open(options.project)
    kind = Synthesis(options.synthesis)
    path = Console(options.json).drive(synthetic_panel(project, kind, options.seed, options.out))
    if options.json:
        say_json({"file": str(path)})
    else:
        say(str(path))


def _list(as_json: bool) -> None:
    if as_json:
        say_json(
            [
                {"name": method, "label": facts.label, "of": facts.taxonomy, "score": facts.score}
                for method, facts in ((m, m.facts) for m in PeerMethod)
            ]
        )
        return
    for method in PeerMethod:
        facts = method.facts
        say(f"{method:<20} {facts.label:<27} {facts.taxonomy:<9} {facts.score}")
