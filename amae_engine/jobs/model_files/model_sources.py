"""Where images come from that a model is applied to: files, or a PACS. Decoded, a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from amae_engine.errors import BadInput, NotDelivered
from amae_engine.images.decode_pool import Decoded
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.sources import from_paths
from amae_engine.jobs.importing.decode_ahead import BATCH, decode_ahead
from amae_engine.pacs.connection import connect
from amae_engine.pacs.query import PacsQuery, RemoteImage, find_images
from amae_engine.pacs.server import Server


class Named(NamedTuple):
    """A file, and what its row is called."""

    name: str
    path: Path


class ImageSource(ABC):
    """Images by name.

    Attributes:
        names: Of all of them, each once.
    """

    names: tuple[str, ...]

    @abstractmethod
    def decoded(
        self, wanted: Sequence[str], side: int, at_once: int
    ) -> Generator[list[tuple[str, Decoded]], None, None]:
        """Some of them at the store's size, or why there is none, in batches and in the order given."""


class FileSource(ImageSource):
    """Images in files, folders and DICOMDIRs; a row is called by the path below the folder.

    Raises:
        BadInput: A path is missing, or holds no image.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        found: dict[str, Path] = {}
        for path in paths:
            folder = path if path.is_dir() else path.parent
            for file in from_paths([path], "test"):
                is_below = file.path.is_relative_to(folder)
                name = (file.path.relative_to(folder) if is_below else file.path).as_posix()
                known = found.setdefault(name, file.path)
                if known != file.path:  # of two folders with the same names inside
                    found[f"{folder.name}/{name}"] = file.path
        self._paths, self.names = found, tuple(found)

    def decoded(
        self, wanted: Sequence[str], side: int, at_once: int
    ) -> Generator[list[tuple[str, Decoded]], None, None]:
        """As of every source."""
        items = [Named(name, self._paths[name]) for name in wanted]
        for batch in decode_ahead(items, lambda item: item.path, side, at_once):
            yield [(item.name, image) for item, image in batch]


class PacsSource(ImageSource):
    """Images of a PACS, fetched a batch at a time and not kept; a row is called by its SOP instance.

    Raises:
        BadInput: The PACS has no image that the query means.
        PacsError: It cannot be reached, or refuses.
    """

    def __init__(self, server: Server, query: PacsQuery, password: str) -> None:
        self._server, self._password = server, password
        with connect(server, password) as connection:
            images = list(find_images(connection.search, query))
        if not images:
            raise BadInput("The PACS has no image that is asked for; ask for other dates or kinds.")
        self._images: dict[str, RemoteImage] = {image.sop: image for image in images}
        self.names = tuple(self._images)

    def decoded(
        self, wanted: Sequence[str], side: int, at_once: int
    ) -> Generator[list[tuple[str, Decoded]], None, None]:
        """As of every source; a connection that fails ends it with its error."""
        with connect(self._server, self._password) as connection:
            for start in range(0, len(wanted), BATCH):
                with TemporaryDirectory(prefix="amae-") as place:
                    came: list[Named] = []
                    missing: dict[str, Decoded] = {}
                    for number, name in enumerate(wanted[start : start + BATCH]):
                        file = Named(name, Path(place) / f"{number}.dcm")
                        try:
                            connection.retrieve(self._images[name], file.path)
                            came.append(file)
                        except NotDelivered as reason:
                            missing[name] = Refusal(str(reason))
                    for batch in decode_ahead(came, lambda item: item.path, side, at_once):
                        yield [(item.name, image) for item, image in batch]
                    if missing:
                        yield list(missing.items())
