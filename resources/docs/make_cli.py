"""Writes `cli.md` from the parser: python resources/docs/make_cli.py."""

from pathlib import Path

from amae_engine.cli.arguments import make_parser
from amae_engine.cli.command_list import as_markdown

Path(__file__).with_name("cli.md").write_text(as_markdown(make_parser()), encoding="utf-8")
