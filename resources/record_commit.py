"""Hatch's build hook: an installed AMAE knows the commit that it was built from."""

import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecordCommit(BuildHookInterface):
    """Writes `amae_engine/commit.txt` into the wheel; nothing where there is no Git."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is written; an editable install asks Git each time."""
        if self.target_name != "wheel" or version == "editable":
            return
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            said = subprocess.run(
                command, cwd=self.root, capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            return
        file = Path(mkdtemp()) / "commit.txt"
        file.write_text(said, encoding="utf-8")
        build_data["force_include"][str(file)] = "amae_engine/commit.txt"
