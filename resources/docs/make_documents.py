"""Writes `cli.md` from the parser and `settings.md` from the settings: python resources/docs/make_documents.py."""

from pathlib import Path

from amae_engine.cli.arguments import make_parser
from amae_engine.cli.command_list import as_markdown
from amae_engine.config.settings_document import settings_document

_HERE = Path(__file__).parent
(_HERE / "cli.md").write_text(as_markdown(make_parser()), encoding="utf-8")
(_HERE / "settings.md").write_text(settings_document(), encoding="utf-8")
