"""One image of a list, as a viewer asks for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image and its original are found.

    Attributes:
        aspect: Width over height of the original on the screen.
    """

    image_id: int
    store_row: int
    aspect: float
