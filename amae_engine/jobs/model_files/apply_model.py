"""Rate images by a model file: a row a file in a CSV, as they come; stopped, it goes on where it was.

Memory does not grow with the images. Of a DICOM file's header nothing gets into the table; its name is
what the file is called.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import IO, Generic, Self, TypeVar

import numpy as np

from amae_engine.catalog.image_facts import RECORDED
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, ProjectError
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import Refusal
from amae_engine.jobs.model_files.load_model import LoadedModel, load_model
from amae_engine.jobs.model_files.model_answers import about, columns, read_by, remarks_on
from amae_engine.jobs.model_files.model_pictures import write_objects, write_overlay
from amae_engine.jobs.model_files.model_sources import ImageSource
from amae_engine.jobs.model_files.read_model import Model, read_model
from amae_engine.jobs.scoring.stage1_detector import Strata
from amae_engine.method.compute_device import choose_device
from amae_engine.reports.table import RESEARCH_USE, spreadsheet_text

_SECONDS_BETWEEN_EVENTS = 0.1
T = TypeVar("T")
_MODEL_LINE = "# model digest: "
_SCORED, _REFUSED = "scored", "refused"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the images.

    Attributes:
        before: Had a row from an earlier call.
        remarks: What was said of rated images, with how many.
    """

    csv: Path
    scored: int
    refused: dict[str, int]
    before: int
    remarks: dict[str, int]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go.

    Attributes:
        csv: The table.
        maps: A folder for each image with the leading score's map over it; None for none.
        dicom: A folder for DICOM objects; None for none.
    """

    csv: Path
    maps: Path | None = None
    dicom: Path | None = None


def apply_model(
    path: Path, source: ImageSource, outputs: Outputs, device: str = "auto", at_once: int = 0
) -> Generator[Event, None, Applied]:
    """Rate every image of a source; a bad file is refused with its reason and the others go on.

    Args:
        path: The model file.
        source: The images.
        outputs: The table, which is gone on with where it is this model's.
        device: Where the model works.
        at_once: Files that are decoded at the same time; 0 is one a core.

    Raises:
        BadInput: The model is none, is damaged or was changed; or the table is there, and not this
            model's.
        ProjectError: The disk is full; the rows so far are kept.
        PacsError: The PACS failed; the rows so far are kept.
    """
    model = read_model(path)
    done = _rows_so_far(outputs.csv, model)
    wanted = [name for name in source.names if spreadsheet_text(name) not in done]
    scored, refused, remarks = 0, dict[str, int](), dict[str, int]()
    yield Progress("Applying the model", 0, len(wanted))
    decoded = source.decoded(wanted, int(model.facts["side"]), at_once)
    try:
        with _Ahead(decoded) as batches, ExitStack() as opened:
            with_maps = bool(outputs.maps or outputs.dicom)
            loaded = load_model(path, choose_device(device), with_maps)
            for text in loaded.deviations:
                yield Notice(text, Level.WARNING)
            table = opened.enter_context(outputs.csv.open("a", newline="", encoding="utf-8"))
            if not table.tell():
                table.write(_head(loaded))
            began = last_event = time.monotonic()
            for batch in batches:
                rated = _rate(loaded, batch, outputs)
                for name, image in batch:
                    if isinstance(image, Refusal):
                        refused[str(image)] = refused.get(str(image), 0) + 1
                    else:
                        scored += 1
                        for text in rated[name].remarks:
                            remarks[text] = remarks.get(text, 0) + 1
                _write(table, model, batch, rated)
                now, count = time.monotonic(), scored + sum(refused.values())
                if now - last_event > _SECONDS_BETWEEN_EVENTS or count == len(wanted):
                    last_event, each = now, (now - began) / count
                    left = (len(wanted) - count) * each
                    yield Progress("Applying the model", count, len(wanted), each, left)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ProjectError(
            f"The disk with {outputs.csv.name} is full; the rows so far are kept: free space, and give "
            f"the same command again to go on."
        ) from error
    for text, count in remarks.items():
        yield Notice(f"{count} images: {text}.", Level.WARNING)
    return Applied(outputs.csv, scored, refused, len(source.names) - len(wanted), remarks)


class _Ahead(Generic[T]):
    """What an iterator gives, the next of it while the last is worked on, the first at once.

    Closes the iterator at the end of its `with`.
    """

    def __init__(self, source: Generator[T, None, None]) -> None:
        self._source, self._thread = source, ThreadPoolExecutor(1)
        self._next = self._thread.submit(next, self._source, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.shutdown()
        self._source.close()

    def __iter__(self) -> Iterator[T]:
        while (found := self._next.result()) is not None:
            self._next = self._thread.submit(next, self._source, None)
            yield found


@dataclass(frozen=True, slots=True)
class _Rated:
    scores: dict[ScoreKind, float]
    remarks: tuple[str, ...]


def _rate(
    loaded: LoadedModel, batch: Sequence[tuple[str, IncomingImage | Refusal]], outputs: Outputs
) -> dict[str, _Rated]:
    """Scores of those of a batch that are images, by name; their pictures are written."""
    images = {name: image for name, image in batch if isinstance(image, IncomingImage)}
    if not images:
        return {}
    detector, model = loaded.detector, loaded.model
    strata = strata_of(loaded, list(images.values()))
    made = detector.rate(np.stack([each.image.pixels for each in images.values()]), strata)
    found = {}
    for place, (name, image) in enumerate(images.items()):
        values = {kind: float(made.scores[kind][place]) for kind in model.kinds}
        stratum = None if strata is None else int(strata[place])
        remarks = remarks_on(model, image.image.flags, partial(_fact, image), stratum)
        found[name] = _Rated(values, remarks)
        if outputs.maps or outputs.dicom:
            maps = {key: values[place] for key, values in made.maps.items()}
            if outputs.maps:
                write_overlay(outputs.maps, model, name, image, maps)
            if outputs.dicom:
                write_objects(outputs.dicom, model, name, image, maps, values)
    return found


def strata_of(loaded: LoadedModel, images: Sequence[IncomingImage]) -> Strata | None:
    """The strata (n,) of images by their headers; None where nothing is compared within any."""
    strata = loaded.detector.stage1.strata
    if strata is None:
        return None
    return strata.of([_fact(image, RECORDED.get(strata.fact, "")) for image in images])


def _fact(image: IncomingImage, attribute: str) -> str:
    """A fact of a file as the catalog would have it; "" where it is unknown."""
    own = image.image
    if attribute == "view":
        return own.view or own.facts.view
    value = getattr(own, attribute, None) or getattr(own.facts, attribute, "")
    return str(value)


def _head(loaded: LoadedModel) -> str:
    model = loaded.model
    lines = [*about(model), *loaded.deviations, RESEARCH_USE]
    plain = [f"# {' '.join(line.split())}\n" for line in lines]
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerow(columns(model))
    return "".join([*plain, f"{_MODEL_LINE}{model.digest}\n", made.getvalue()])


def _write(
    table: IO[str],
    model: Model,
    batch: Sequence[tuple[str, IncomingImage | Refusal]],
    rated: Mapping[str, _Rated],
) -> None:
    """Write a batch's rows, all of them to the disk or none."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    for name, image in batch:
        row: dict[str, object] = dict.fromkeys(columns(model), "")
        row["file"] = spreadsheet_text(name)
        if isinstance(image, Refusal):
            row |= {"status": _REFUSED, "reason": str(image)}
        else:
            own = rated[name]
            row |= {"status": _SCORED, "reason": "; ".join(own.remarks)}
            row |= read_by(model, own.scores[model.leading])
            row |= {str(kind): f"{value:.7g}" for kind, value in own.scores.items()}
        writer.writerow(row.values())
    table.write(made.getvalue())
    table.flush()
    os.fsync(table.fileno())


def _rows_so_far(path: Path, model: Model) -> set[object]:
    """Names that have a row in an earlier table of this model; a half row at its end is cut off.

    Raises:
        BadInput: The file is something else.
    """
    if not path.exists() or path.stat().st_size == 0:
        return set()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head = list(takewhile(_is_comment, file))
        is_ours = f"{_MODEL_LINE}{model.digest}\n" in head
    except (OSError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise BadInput(
            f"{path.name} is there and is no table of this model; choose another name, or move it."
        )
    with path.open("rb+") as content:
        whole = content.read()
        content.truncate(whole.rfind(b"\n") + 1)
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"] for row in csv.DictReader(dropwhile(_is_comment, file))}


def _is_comment(line: str) -> bool:
    return line.startswith("#")
