"""A real PostgreSQL of its own: no port, no password, gone afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def programs() -> Path | None:
    """Where PostgreSQL's server programs lie, None where they are not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return installed[0] if installed else None


class PostgresServer:
    """Started by `start`, ended by `stop`; `new_url` gives an empty database each time."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="amae-pg-"))
        self._numbers = itertools.count(1)
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")

    def start(self) -> None:
        """Initialise and start; waits until it answers."""
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", "reader", "-A", "trust", "-N", "-E", "UTF8")
        self._start()

    def _start(self) -> None:
        data = str(self._folder / "data")
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop at once and delete everything."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """As after a power cut: connections break, what was committed stays."""
        data = str(self._folder / "data")
        self._run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        self._start()

    def new_url(self) -> str:
        """SQLAlchemy's address of a new, empty database."""
        name = f"amae{next(self._numbers)}"
        self._run("createdb", "-h", str(self._folder), "-U", "reader", name)
        return f"postgresql+psycopg://reader@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._folder
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")
