"""The command line's arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import (
    commands,
    import_commands,
    machine_commands,
    run_command,
    training_commands,
)
from amae_engine.cli.bundle_commands import add_bundles
from amae_engine.cli.command_list import CommandParser, command_parsers
from amae_engine.cli.dicom_command import add_dicom
from amae_engine.cli.experiment_arguments import add_experiments
from amae_engine.cli.judging_arguments import add_judging
from amae_engine.cli.model_commands import add_models
from amae_engine.cli.pacs_arguments import add_pacs, add_twins
from amae_engine.cli.peer_arguments import add_peer, add_synthetic_panel
from amae_engine.cli.reading_arguments import add_reading
from amae_engine.cli.region_commands import add_regions
from amae_engine.cli.report_command import add_report
from amae_engine.cli.round_commands import add_rounds
from amae_engine.cli.shortcut_commands import add_shortcuts
from amae_engine.cli.verify_command import add_verify

_TRAINING = {
    "pretrain": "stage 0: starting weights from the project's own normal and unlabeled images",
    "stage1": "stage 1: classifier on frozen features (Eq. 1, 2)",
    "stage2": "stage 2: modules A and B on the pseudo-labels (Eq. 3)",
    "score": "maps and scores of the test images (Eq. 4)",
}


_MEASURED = ("compact", "paper", "base")  # networks whose steps `doctor` tries


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command; `command` of its result is the function to call."""
    parser = CommandParser(
        prog="amae",
        description="Find abnormal chest X-rays. Without a command, the window opens. "
        "Research use only. Not a medical device.",
    )
    verbs = parser.add_subparsers(
        required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    _add_demo(verbs)
    _add_run(verbs)
    _add_import(verbs)
    _add_repairs(verbs)
    add_pacs(verbs)
    add_shortcuts(verbs)
    for name, text in _TRAINING.items():
        _add_training(verbs, name, text)
    _add_pseudo(verbs)
    add_rounds(verbs)
    add_reading(verbs)
    add_peer(verbs)
    add_synthetic_panel(verbs)
    _add_judging(verbs)
    add_experiments(verbs)
    add_regions(verbs)
    add_report(verbs)
    add_dicom(verbs)
    add_models(verbs)
    add_bundles(verbs)
    add_verify(verbs)
    _add_machine(verbs)
    return parser


def _add_judging(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, text, command in (
        ("evaluate", "AUC, AP and intervals of a score run", commands.evaluate),
        ("export", "scores, curves and example images into exports/", commands.export),
    ):
        verb = _verb(verbs, name, text, command)
        verb.add_argument("--run", type=int, default=0, help="score run; the newest by default")
        verb.add_argument("--reader", default="", help="who looks, for the audit")
        if name == "evaluate":
            verb.add_argument(
                "--subgroups",
                action="store_true",
                help="AUC of the leading score by view, sex, age, source and finding",
            )
            verb.add_argument(
                "--validation", action="store_true", help="on the validation images instead"
            )
            verb.add_argument(
                "--boxes",
                type=Path,
                help="evaluate the maps instead, on marked regions: boxes (CSV), mask pictures or "
                "DICOM segmentations",
            )
            verb.add_argument(
                "--every-run",
                action="store_true",
                help="with --boxes or --regions: the maps of every finished run, peers' too, on the "
                "images that all of them have maps of",
            )
            verb.add_argument(
                "--regions",
                action="store_true",
                help="evaluate the maps instead, on what readers drew or imported (of --reader alone, if "
                "given)",
            )
            verb.add_argument(
                "--agreed",
                action="store_true",
                help="with --regions: on parts of maps that readers agreed with, which favour that map",
            )
    add_judging(verbs)
    listing = _verb(verbs, "runs", "list the project's runs", commands.list_runs)
    listing.add_argument("run", nargs="?", type=int, help="all that this run recorded, as JSON")
    text = "repeat a run from its record, or a bundle's runs, and compare"
    again = verbs.add_parser("rerun", help=text, description=text)
    again.set_defaults(command=training_commands.rerun, name="rerun")
    again.add_argument("--json", action="store_true", help="JSON output")
    again.add_argument(
        "--project", type=Path, help="the project's folder; of a bundle the new project's"
    )
    again.add_argument(
        "--weights", type=Path, nargs="*", default=[], help="weights files that a bundle names"
    )
    again.add_argument("run", help="the run's number, or a bundle (amae bundle)")
    again.add_argument("--images", type=Path, help="the folder with a bundle's images")


def _add_machine(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = verbs.add_parser("doctor", help="what this machine and installation can do")
    doctor.add_argument("--project", type=Path, help="estimate the time for its images")
    doctor.add_argument(
        "--images",
        type=int,
        default=8000,
        help="half normal, half unlabeled",
    )
    doctor.add_argument(
        "--preset",
        default="compact",
        choices=_MEASURED,
        help="paper, base or compact; that of 'foundation' is not measured yet",
    )
    doctor.add_argument("--json", action="store_true", help="JSON output")
    doctor.set_defaults(command=machine_commands.doctor)


def command_names() -> frozenset[str]:
    """The name of every command."""
    return frozenset(command_parsers(make_parser()))


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    command: object,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=command, name=name)
    return verb


def _add_demo(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = verbs.add_parser("demo", help="the demo project on real images")
    demo.add_argument("--headless", action="store_true", help="no window: run both stages here")
    demo.add_argument("--folder", type=Path, help="where the demo project lies")
    demo.add_argument("--epochs", type=int, help="fewer epochs for a quick look")
    demo.add_argument("--json", action="store_true", help="JSON output")
    demo.set_defaults(command=commands.demo)


def _add_import(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "import images into a project (made if missing)"
    verb = _verb(verbs, "import", text, import_commands.import_images)
    _add_sources(verb)
    verb.add_argument("--dry-run", action="store_true", help="say what would happen, import none")
    verb.add_argument(
        "--fix-patients", action="store_true", help="move each patient's images into one split"
    )


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "run", run_command.TEXT, run_command.run)
    _add_sources(verb)
    run_command.add_run_options(verb)


def _add_sources(verb: argparse.ArgumentParser) -> None:
    """What to import, and how: of `import` and of `run`."""
    verb.add_argument(
        "paths",
        nargs="*",
        type=Path,
        help="folders, files, zip archives, DICOMDIRs; or one table, data.json or list. Folders "
        "named normal, unlabeled, test/normal and test/abnormal say what their images are",
    )
    verb.add_argument("--role", default="", help="normal, unlabeled or test, where nothing says")
    verb.add_argument(
        "--folder-means",
        action="append",
        default=[],
        metavar="NAME=WORD",
        help="a folder's name means normal, abnormal, unlabeled, test or train",
    )
    verb.add_argument("--source", default="", help="a short label; name no patient in it")
    verb.add_argument(
        "--catalog",
        default="",
        help="for a new project with several readers: postgresql+psycopg://user@host/database",
    )
    verb.add_argument("--report", type=Path, help="write what became of every file to this CSV")
    verb.add_argument(
        "--names", action="store_true", help="with the files' names in it, which may be patients'"
    )
    verb.add_argument(
        "--processes",
        type=int,
        default=0,
        help="decode so many files at the same time; one a core by default",
    )
    add_twins(verb)
    verb.add_argument("--reader", default="", help="who imports")
    _add_table_options(verb)


def _add_table_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--csv", type=Path, help="a table of files; RSNA's, VinDr's, NIH's, … are recognised"
    )
    for column in ("file", "role", "truth", "patient"):
        verb.add_argument(
            f"--{column}-column", help=f"column of the {column}; remembered for such tables"
        )
    verb.add_argument(
        "--truth-value",
        action="append",
        default=[],
        metavar="TEXT=MEANING",
        help="a value of the truth column means normal, abnormal, unknown or skip",
    )
    verb.add_argument("--repartition", type=Path, help="DDAD's data.json")
    verb.add_argument("--images", type=Path, help="where the table's files lie")
    verb.add_argument(
        "--outside", action="store_true", help="let the table name files outside that folder"
    )
    verb.add_argument("--unlabeled", type=int, help="M, images taken from the unlabeled pool")
    verb.add_argument("--anomaly-ratio", type=float, help="AR of those images, 0…1")
    verb.add_argument("--manifest", type=Path, help="CSV with file and patient columns")


def _add_repairs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    undo = _verb(verbs, "undo-import", "undo the last import", import_commands.undo_import)
    fix = _verb(
        verbs,
        "fix-patients",
        "move each patient's images into one split",
        import_commands.fix_patients,
    )
    fix.add_argument(
        "--keep", default="test", choices=("test", "unlabeled"), help="the split that wins"
    )
    for verb in (undo, fix):
        verb.add_argument("--reader", default="", help="who decides")
    relink = _verb(verbs, "relink", "find originals that were moved", import_commands.relink)
    relink.add_argument("folder", type=Path, help="where to look")


def _add_training(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> None:
    verb = _verb(verbs, name, text, training_commands.train)
    verb.add_argument(
        "--preset", default="", help="foundation, compact, paper or base; chosen by default"
    )
    verb.add_argument(
        "--paper",
        action="store_true",
        help="every choice of the method as in the paper, with the preset's network and schedule",
    )
    verb.add_argument(
        "--resume",
        nargs="?",
        type=int,
        const=0,
        help="resume an unfinished run (the newest by default)",
    )
    verb.add_argument(
        "--processes",
        type=int,
        default=1,
        help="work with so many processes of this machine, one a GPU (as torchrun does)",
    )
    verb.add_argument("--config", type=Path, help="settings as JSON")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting, such as training.epochs=30",
    )


def _add_pseudo(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "pseudo", "list and override pseudo-labels (2.2)", commands.pseudo)
    verb.add_argument("--source", default="", help="proxy (the paper), density or unlabeled")
    verb.add_argument("--keep", type=float, help="K in percent; the paper: 50")
    verb.add_argument(
        "--keep-abnormal", type=float, help="K of the abnormal class alone; 0: as --keep"
    )
    verb.add_argument("--run", type=int, default=0, help="stage-1 run; the newest by default")
    verb.add_argument("--reader", default="", help="who decides")
    verb.add_argument(
        "--decide",
        action="append",
        default=[],
        metavar="IMAGE=LABEL",
        help="normal, abnormal, exclude or none for an image, such as CXR-00012=abnormal",
    )
    verb.add_argument("--csv", type=Path, help="write every image's label to this table")
