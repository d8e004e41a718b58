"""What can go wrong, said so that a reader can act on it.

Every error names what is invalid, what it must be, what it is, and what to do.
"""

from __future__ import annotations

import errno


class AmaeError(Exception):
    """The root of every error that AMAE raises on purpose."""


class BadSetting(AmaeError, ValueError):
    """A setting has a value that it cannot have."""


class BadInput(AmaeError, ValueError):
    """A file, a folder or a table that the reader gave cannot be used."""


class BadWeights(AmaeError, ValueError):
    """A weights file is missing, damaged or belongs to another network."""


class NotReady(AmaeError, RuntimeError):
    """A step was asked for before the step it needs (the message names that step)."""


class TooFewImages(AmaeError, ValueError):
    """A class or a split has too few images to go on."""


class ProjectError(AmaeError, OSError):
    """A project folder cannot be opened or created."""


class TrainingFailed(AmaeError, RuntimeError):
    """Training stopped: a loss that is not a number, no memory, or a worker that died."""


class PacsError(AmaeError, ConnectionError):
    """A PACS cannot be reached, refuses, or does not answer as it should."""


class PacsLoginError(PacsError):
    """A PACS wants another user or password."""


class NotDelivered(PacsError):
    """A PACS did not deliver one image; others may still come."""


_OF_SYSTEM = {
    errno.ENOSPC: "The disk is full: {what}. What was whole before is kept. Make room, then try again.",
    errno.EDQUOT: "Your share of the disk is used up: {what}. Make room, then try again.",
    errno.EROFS: "The disk can only be read: {what}.",
    errno.EACCES: "Not allowed: {what}. Ask whoever looks after the folder for the right to write.",
    errno.EIO: "The disk does not answer: {what}. Is it still there?",
    **dict.fromkeys(
        (errno.ESTALE, errno.ENOTCONN, getattr(errno, "EHOSTDOWN", errno.ESTALE)),
        "The network folder is gone: {what}. Connect it again, then try again.",
    ),
}
_NO_SPACE = ("No space left", "PytorchStreamWriter failed", "iostream error")


def translate_os_error(error: BaseException) -> AmaeError | None:
    """A sentence for what the system did not let happen; None where that is not what went wrong.

    Libraries wrap a full disk in errors of their own, so their text counts too.
    """
    if isinstance(error, AmaeError):
        return error
    number = error.errno if isinstance(error, OSError) else None
    if number not in _OF_SYSTEM and any(text in str(error) for text in _NO_SPACE):
        number = errno.ENOSPC
    if number not in _OF_SYSTEM:
        return None
    name = str(getattr(error, "filename", "") or "").replace("\\", "/").rpartition("/")[2]
    what = f"{name} could not be written or read" if name else "a file could not be written"
    return ProjectError(_OF_SYSTEM[number].format(what=what))
