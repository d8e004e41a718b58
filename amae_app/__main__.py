"""`amae`: the window without a command, the command line with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window, or run a command.

    `amae` opens the last project, `amae FOLDER` a project, `amae demo` the demo project; every
    other word is a command, which runs without a window.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["demo"] and not {"--headless", "--json", "-h", "--help"} & set(words):
        if has_display():
            return _open_window(demo=_demo_folder(words))
        sys.stderr.write("No display was found: the demo runs here without a window.\n")
    if not words or _is_project_folder(words[0]):
        if not has_display():
            sys.stderr.write(
                "amae: no display was found, so the window cannot open; `amae --help` lists the "
                "commands that work without one.\n"
            )
            return 1
        return _open_window(project=Path(words[0]) if words else None)
    from amae_engine.cli import main as run_command

    return run_command(words, _print_pdf)


def _print_pdf(html: Path, pdf: Path) -> None:
    from amae_app.report_printer import print_report

    print_report(html, pdf)


def _is_project_folder(word: str) -> bool:
    """Whether the first word is a folder to open; a command's name is a command all the same."""
    if word.startswith("-") or not Path(word).is_dir():
        return False
    from amae_engine.cli.arguments import command_names

    return word not in command_names()


def has_display() -> bool:
    """Whether Qt can open a window here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _open_window(project: Path | None = None, demo: Path | None = None) -> int:
    from amae_app.application import run_application

    return run_application(project, demo)


def _demo_folder(words: list[str]) -> Path:
    if "--folder" in words[:-1]:
        return Path(words[words.index("--folder") + 1])
    return Path.home() / "AMAE" / "demo"


if __name__ == "__main__":
    sys.exit(main())
