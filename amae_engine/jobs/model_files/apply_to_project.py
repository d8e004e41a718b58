"""Rate a project's test images by a model file: a run of its own, judged and looked at as any other."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from amae_engine.atomic_write import write_text
from amae_engine.catalog import image_tables, scores, studies
from amae_engine.catalog.studies import ImageRow
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.config.applied_model import AppliedModel
from amae_engine.errors import BadInput, TooFewImages
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.sources import from_paths
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import NothingImported
from amae_engine.jobs.model_files.load_model import load_model
from amae_engine.jobs.model_files.model_answers import remarks_on
from amae_engine.jobs.model_files.read_model import read_model
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs
from amae_engine.runs.map_files import MapWriter, maps_folder
from amae_engine.runs.record import MODEL_FACTS, NewRun, RunRecord, RunStep

_AT_ONCE = 32  # images


def apply_to_project(
    project: Project,
    path: str,
    images: Sequence[str] = (),
    reader: str = "",
    device: str = "auto",
) -> Generator[Event, None, int]:
    """Import images as test images, and rate all of the project's test images by a model.

    Args:
        project: Receives images, scores and maps.
        path: The model file.
        images: Files and folders to import first; those that are there already are not imported again.
        reader: Who asks, for the audit.
        device: Where the model works.

    Returns:
        The run's number.

    Raises:
        BadInput: The model is none, is damaged or was changed; or it rates images of another size.
        TooFewImages: There is no test image.
    """
    model = read_model(Path(path))
    side = int(model.facts["side"])
    if side != project.pixels.side:
        raise BadInput(
            f"{model.path.name} rates images of {side} pixels, and this project stores "
            f"{project.pixels.side}; apply it without a project (amae apply … --csv)."
        )
    if images:
        files = from_paths([Path(each) for each in images], "test")
        try:
            yield from import_images(project, files, f"for {model.facts['name']}", reader)
        except NothingImported as error:
            yield Notice(str(error), Level.WARNING)
    leading = model.facts["leading"]
    config = AppliedModel(
        model.facts["name"], model.digest, leading["score"], leading["why"], device
    )

    def new(recorded: RunInputs | None) -> NewRun[AppliedModel]:
        with project.session() as session:
            table = image_tables.images_in(session, Split.TEST)
        if not len(table.ids):
            raise TooFewImages(
                "There is no test image to rate; give images, or import some with the role 'test'."
            )
        seen = recorded or RunInputs(
            {str(Split.TEST): InputImages.of(table)}, {}, {"model": model.digest}
        )
        facts = json.dumps(model.facts, indent=1)
        return NewRun(config, seen, keep=lambda folder: write_text(folder / MODEL_FACTS, facts))

    def work(
        project: Project, config: AppliedModel, record: RunRecord
    ) -> Generator[Event, None, None]:
        yield from _rate(project, config, record, Path(path))

    step = RunStep(RunKind.MODEL, AppliedModel, work, "Applying a model")
    return (yield from step.run(project, new))


def _rate(
    project: Project, config: AppliedModel, record: RunRecord, path: Path
) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import choose_device

    loaded = load_model(path, choose_device(config.device), with_maps=True)
    for text in loaded.deviations:
        yield Notice(text, Level.WARNING)
    ids, rows = record.inputs.in_order([Split.TEST])
    parts: dict[ScoreKind, list[np.ndarray]] = {kind: [] for kind in loaded.model.kinds}
    remarks: Counter[str] = Counter()
    stage1, began = loaded.detector.stage1, time.monotonic()
    with MapWriter(maps_folder(project, record.id), ids) as writer:
        for start in range(0, len(ids), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            with project.session() as session:
                facts = studies.rows(session, ids[some].tolist())
            numbers = stage1.strata_of(project, ids[some])
            made = loaded.detector.rate(project.pixels.read(rows[some]), numbers)
            writer.write(made.maps)
            for kind, values in parts.items():
                values.append(made.scores[kind])
            for place, row in enumerate(facts):
                stratum = None if numbers is None else int(numbers[place])
                remarks.update(remarks_on(loaded.model, row.flags, partial(_text, row), stratum))
            done = min(start + _AT_ONCE, len(ids))
            each = (time.monotonic() - began) / done
            yield Progress("Applying a model", done, len(ids), each, (len(ids) - done) * each)
    with project.session() as session:
        for kind, values in parts.items():
            scores.save(session, record.id, kind, ids, np.concatenate(values))
    for text, count in remarks.items():
        yield Notice(f"{count} images: {text}.", Level.WARNING)


def _text(row: ImageRow, fact: str) -> str:
    """A fact of an image; "" where it is unknown."""
    return str(getattr(row, fact, "") or "")
