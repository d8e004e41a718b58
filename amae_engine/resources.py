"""Find the files that ship with the program: weights, demo images, help, icons."""

from __future__ import annotations

from pathlib import Path

from amae_engine.errors import BadInput

_PLACES = (
    Path(__file__).parent.parent / "resources",  # a checkout, or next to the packages in a wheel
    Path(__file__).parent / "resources",
)


def resource(name: str) -> Path:
    """The path of a shipped file or folder such as "demo/manifest.csv"; it may be missing."""
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    return _PLACES[0] / name


def required_resource(name: str) -> Path:
    """The path of a shipped file or folder that must be there.

    Raises:
        BadInput: It is missing: the installation is damaged.
    """
    path = resource(name)
    if not path.exists():
        raise BadInput(f"resources/{name} is missing from this installation; reinstall AMAE.")
    return path
