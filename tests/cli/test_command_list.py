"""`amae --help` and the document of the commands are the parser's own."""

from __future__ import annotations

import pytest
from demo_images import ROOT

from amae_engine.cli.arguments import command_names, make_parser
from amae_engine.cli.command_list import GROUPS, as_markdown


def test_every_command_stands_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == command_names()


def test_help_lists_the_commands_in_groups(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert [line[:-1] for line in out.splitlines() if line[:-1] in GROUPS] == list(GROUPS)
    assert "  stage1            stage 1: classifier on frozen features" in out


def test_the_document_of_the_commands_is_made_from_the_parser():
    text = (ROOT / "resources" / "docs" / "cli.md").read_text(encoding="utf-8")
    assert text == as_markdown(make_parser()), "python resources/docs/make_documents.py"
    assert all(f"### `amae {name}`" in text for name in command_names())
