"""What can go wrong, said so that a reader can act on it.

Every error names what is invalid, what it must be, what it is, and the cure.
"""


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
