"""Score as a job: maps and image-level scores of the test images (Eq. 4)."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine import processes
from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import MaskPlan, ScoreConfig, ScoreKind, ScoreStep
from amae_engine.errors import BadSetting, TooFewImages
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.jobs.pseudo_labels.rerank import rerank
from amae_engine.jobs.pseudo_labels.unlabeled_scores import has_probe
from amae_engine.jobs.training.normal_grey import measure_grey, normal_grey
from amae_engine.jobs.training.train_stage2 import network_files
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest
from amae_engine.runs.map_files import MapWriter, maps_folder
from amae_engine.runs.record import NewRun, RunRecord, RunStep, newest_finished
from amae_engine.runs.score_checkpoints import ScoreCheckpoint, ScoreCheckpoints, missing_batches

if TYPE_CHECKING:
    from torch import Tensor

Values = npt.NDArray[np.float64]

_SECONDS_A_PIECE = 5.0  # of work are done again at most where a process is killed


def score_images(
    project: Project, config: ScoreConfig, resume: int | None = None, repeats: int | None = None
) -> Generator[Event, None, int]:
    """Compare the two modules on every image of the chosen splits, and store scores and maps.

    Without stage 2, which cannot learn where hardly an image is pseudo-abnormal, there is what stage 1
    says alone: its scores, the map of its probe, and the grey statistics.

    A run that was killed goes on from its last whole piece, by any number of processes.

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to resume, with its own settings.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        NotReady: Stage 2, or without it stage 1, has not run yet.
        TooFewImages: The chosen splits have no image.
    """

    def new(recorded: RunInputs | None) -> NewRun[ScoreConfig]:
        if config.without_stage2:
            parent = newest_finished(project, RunKind.STAGE1, config.stage1_run, "Scoring")
            chosen = config.replace(stage1_run=parent.id)
        else:
            parent = newest_finished(project, RunKind.STAGE2, config.stage2_run, "Scoring")
            chosen = config.replace(stage2_run=parent.id)
        seen = recorded or score_inputs(project, chosen)
        return NewRun(chosen, seen, parent.id, 0, _notes(chosen))

    step = RunStep(RunKind.SCORE, ScoreConfig, _score, "Scoring")
    return (yield from step.run(project, new, resume, repeats))


def score_inputs(project: Project, config: ScoreConfig) -> RunInputs:
    """What scoring would see now: the images of the chosen splits, and the networks.

    Raises:
        TooFewImages: The chosen splits have no image.
    """
    for split in config.splits:
        if split not in list(Split):
            raise BadSetting(f"splits must be of {', '.join(Split)}; one is '{split}'.")
    with project.session() as session:
        tables = {split: image_tables.images_in(session, Split(split)) for split in config.splits}
    if not any(len(table.ids) for table in tables.values()):
        raise TooFewImages(
            f"There is no image to score in {', '.join(config.splits)}; import images with the "
            f"role 'test'."
        )
    weights = {name: file_digest(path) for name, path in network_files(project, config).items()}
    images = {str(split): InputImages.of(table) for split, table in tables.items()}
    decided: Mapping[int, Label] = {}
    if config.rerank:
        with project.session() as session:
            decided = decisions.current(session)
    return RunInputs(images, decided, weights)


def _notes(config: ScoreConfig) -> tuple[str, ...]:
    if config.without_stage2:
        return ("Scored without stage 2: there is no A_inter and no likelihood ratio.",)
    plan = "complementary" if config.mask_plan is MaskPlan.COMPLEMENTARY else "independent"
    return (
        f"One set of {config.masks_per_image} {plan} masks serves all images and both modules.",
    )


def _score(
    project: Project, config: ScoreConfig, record: RunRecord
) -> Generator[Event, None, None]:
    with project.session() as session:
        stage1 = runs.stage1_of(session, runs.get(session, record.id))
    stage1_run = stage1.id if stage1 is not None else 0
    ids, rows = record.inputs.in_order(config.splits)
    values: dict[ScoreKind, Values] = {}
    if not config.without_stage2 or has_probe(project, stage1_run):
        values = yield from _compare(project, config, record, ids, rows)
    if not processes.is_rank_zero():
        return
    normal_density = yield from normal_grey(project, stage1_run)
    grey = yield from measure_grey(project, rows, "Scoring")
    values[ScoreKind.GREY_STATISTICS] = normal_density.distance(grey)
    values |= yield from _of_stage1(project, config, stage1_run, ids, rows)
    if config.rerank:
        yield Progress("Scoring · re-ranking the unlabeled images", 0, 1)
        of_stage2 = values[ScoreKind.LIKELIHOOD_RATIO]
        of_probe = values[ScoreKind.UNLABELED_PROBE]
        values[ScoreKind.RERANKED] = rerank(
            project, stage1_run, record.inputs, ids, of_probe, of_stage2
        )
    with project.session() as session:
        for kind, numbers in values.items():
            known = ~np.isnan(numbers)  # NaN: stage 1 has no such score
            scores.save(session, record.id, kind, ids[known], numbers[known])


def _compare(
    project: Project,
    config: ScoreConfig,
    record: RunRecord,
    ids: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Generator[Event, None, dict[ScoreKind, Values]]:
    """The scores (n,) that come from the modules, if any; every map is made on the way.

    Several processes share the batches that are not done; each batch is that of one process.
    """
    from amae_engine.method.stored_images import split_rows

    batches = split_rows(len(ids), config.batch_size)
    kept = ScoreCheckpoints(record.folder)
    before = processes.all_gather(kept.load() if processes.is_rank_zero() else [])[0]
    missing = missing_batches(len(batches), before)
    mine = missing[processes.share(len(missing))]
    with MapWriter(maps_folder(project, record.id), ids, config.keep_maps) as writer:
        own = yield from _work(project, config, record, rows, writer, batches, mine, kept)
        shares = processes.all_gather(own)
        if not processes.is_rank_zero():
            return {}
        pieces = sorted([*before, *chain(*shares)], key=lambda piece: piece.first)
        for piece in pieces:
            writer.give(piece.samples)
    kept.drop()
    kinds = pieces[0].scores
    return {kind: np.concatenate([piece.scores[kind] for piece in pieces]) for kind in kinds}


def _work(
    project: Project,
    config: ScoreConfig,
    record: RunRecord,
    rows: npt.NDArray[np.int64],
    writer: MapWriter,
    batches: Sequence[Tensor],
    mine: Sequence[int],
    kept: ScoreCheckpoints,
) -> Generator[Event, None, list[ScoreCheckpoint]]:
    """Score the images of some batches; every few seconds keep what is done as a piece."""
    from amae_engine.jobs.scoring.make_maps import map_maker
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.memory import in_parts

    device = choose_device(config.device)
    maker = map_maker(project, config, record.inputs, device)
    at_once = min(maker.at_once, config.batch_size)
    images = images_of(project, rows, device).batches([batches[number] for number in mine])
    done, total, began = 0, sum(len(batches[number]) for number in mine), time.monotonic()
    found: list[ScoreCheckpoint] = []
    parts: dict[ScoreKind, list[Values]] = {kind: [] for kind in maker.kinds}
    first, piece_began, is_new = 0, began, True
    for place, (number, batch) in enumerate(zip(mine, images, strict=True)):
        if is_new:
            first, piece_began, is_new = number, time.monotonic(), False
            writer.go_to(int(batches[number][0]))
        made, at_once = in_parts(partial(maker.make, batch), at_once)
        for kind, values in parts.items():
            values.append(np.asarray(made.scores[kind], dtype=np.float64))
        writer.write(made.maps)
        done += len(batch)
        is_last = place + 1 == len(mine) or mine[place + 1] != number + 1
        if is_last or time.monotonic() - piece_began > _SECONDS_A_PIECE:
            scored = {kind: np.concatenate(values) for kind, values in parts.items()}
            found.append(ScoreCheckpoint(first, number + 1 - first, scored, writer.taken()))
            kept.keep(found[-1])
            parts, is_new = {kind: [] for kind in maker.kinds}, True
        each = (time.monotonic() - began) / done
        yield Progress("Scoring", done, total, each, (total - done) * each)
    return found


def _of_stage1(
    project: Project,
    config: ScoreConfig,
    stage1: int,
    ids: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Generator[Event, None, dict[ScoreKind, Values]]:
    """Stage 1's scores (n,): those that it gave when it ran, and new ones of images that came later."""
    with project.session() as session:
        found = {
            kind: scores.of_images(session, stage1, kind, ids)
            for kind in ScoreKind.of_step(ScoreStep.STAGE1)
        }
    later = np.flatnonzero(np.isnan(found[ScoreKind.STAGE1_PROBABILITY]))
    if len(later):
        rated = yield from _rate_later(project, config, stage1, ids[later], rows[later])
        for kind, values in rated.items():
            found[kind][later] = values
    return found


def _rate_later(
    project: Project,
    config: ScoreConfig,
    stage1: int,
    ids: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Generator[Event, None, dict[ScoreKind, Values]]:
    """Stage 1's scores (m,) of images that it has not seen."""
    from amae_engine.jobs.scoring.stage1_detector import ENCODED_AT_ONCE, Stage1Detector
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.memory import in_parts
    from amae_engine.method.stored_images import split_rows

    device = choose_device(config.device)
    detector = Stage1Detector.of_run(project, stage1, device)
    strata = detector.strata_of(project, ids)
    batches = split_rows(len(ids), config.batch_size)
    parts, at_once = [], ENCODED_AT_ONCE
    images = images_of(project, rows, device).batches(batches)
    for batch, stored in zip(batches, images, strict=True):
        yield Progress("Scoring · images that came after stage 1", int(batch[0]), len(ids))
        own = None if strata is None else strata[batch.numpy()]
        (scored, _), at_once = in_parts(partial(detector.rate, stored, own), at_once)
        parts.append(scored)
    if without := detector.without_stratum(strata):
        yield Notice(without, Level.WARNING)
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in parts[0]}
