"""Whether a folder lies on another machine's disk, where SQLite's write-ahead log fails."""

from __future__ import annotations

import sys
from pathlib import Path

_MOUNTS = Path("/proc/mounts")
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "beegfs",
)


def is_network_folder(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether `folder` is on a network file system, as far as the system tells.

    Args:
        folder: Existing or not.
        mounts: Linux's table of mounts.
    """
    if sys.platform == "win32":
        return str(folder.absolute()).startswith("\\\\")
    if not mounts.is_file():
        return False
    place = folder.absolute()
    best, kind = Path("/"), ""
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, fields[2]
    return kind.startswith(_NETWORK)
