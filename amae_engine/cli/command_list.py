"""The commands in groups: for `amae --help`, and as the document `resources/docs/cli.md`."""

from __future__ import annotations

import argparse

GROUPS = {
    "From images to results": ("demo", "run"),
    "Images": ("import", "undo-import", "fix-patients", "relink", "held", "pacs", "sources"),
    "Learning": ("pretrain", "shortcuts", "stage1", "pseudo", "stage2", "score", "maps", "rounds"),
    "Reading": ("decisions", "agreement", "regions", "undo", "redo"),
    "Judging": ("evaluate", "validation", "operating-point", "runs", "peer", "synthetic-panel",
                "experiment", "queue"),
    "Using what was learnt": ("model", "apply"),
    "Sharing": ("export", "report", "dicom", "bundle", "rerun", "share"),
    "Looking after": ("verify", "doctor"),
}  # fmt: skip


class CommandParser(argparse.ArgumentParser):
    """`amae`'s parser: its help lists the commands in groups, not one below the other."""

    def format_help(self) -> str:
        """Usage, what AMAE is, and a line a command."""
        texts = _texts(self)
        lines = ["usage: amae [FOLDER] | amae COMMAND …", "", self.description or "", ""]
        for title, names in GROUPS.items():
            lines.append(f"{title}:")
            lines += [f"  {name:<18}{texts[name]}" for name in names]
            lines.append("")
        return "\n".join([*lines, "`amae COMMAND --help` says what a command takes.", ""])


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Each command's own parser, by its name."""
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(verbs.choices)


def as_markdown(parser: argparse.ArgumentParser) -> str:
    """Every command with its arguments, in groups."""
    parsers, texts = command_parsers(parser), _texts(parser)
    lines = [
        "# Commands",
        "",
        "Made from the parser by `python resources/docs/make_documents.py`; `amae COMMAND --help` says the same.",
        "Commands work on a project's folder (`--project`), while its window is open too.",
    ]
    for title, names in GROUPS.items():
        lines += ["", f"## {title}"]
        for name in names:
            lines += _command(f"amae {name}", parsers[name], texts[name])
    return "\n".join(lines) + "\n"


def _command(title: str, parser: argparse.ArgumentParser, text: str) -> list[str]:
    text = parser.description or text
    lines = ["", f"### `{title}`", "", f"{text[:1].upper()}{text[1:]}.", ""]
    ours = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    nested = [a for a in ours if isinstance(a, argparse._SubParsersAction)]
    lines += [_argument(action) for action in ours if action not in nested]
    for verbs in nested:
        texts = _texts(parser)
        for name, own in verbs.choices.items():
            inner = _command(f"{title} {name}", own, texts[name])
            lines += [line.replace("### ", "#### ", 1) for line in inner]
    return [line.rstrip() for line in lines]


def _argument(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices is not None:
        value = "|".join(str(choice) for choice in action.choices)
    if not action.option_strings:
        return f"- `{value if isinstance(value, str) else action.dest.upper()}`: {_help(action)}"
    option = ", ".join(action.option_strings)
    required = " (required)" if action.required else ""
    taken = f" {value}" if action.nargs != 0 and value else ""
    return f"- `{option}{taken}`{required}: {_help(action)}"


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _texts(parser: argparse.ArgumentParser) -> dict[str, str]:
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {choice.dest: choice.help or "" for choice in verbs._choices_actions}
