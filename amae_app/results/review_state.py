"""What the Results workspace shows; knows no Qt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_app.image_ref import ImageRef
from amae_app.results.start_points import StartPoint, start_points
from amae_engine.catalog import looks
from amae_engine.catalog.tables import RunKind
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.roc import OperatingPoint, operating_point
from amae_engine.jobs.evaluation.evaluate_run import (
    RunEvaluation,
    ScoreEvaluation,
    evaluate_run,
    judged_runs,
    method_title,
    peer_title,
    rated_images,
)
from amae_engine.jobs.evaluation.leading_score import LeadingScore, leading_score
from amae_engine.jobs.evaluation.model_basis import NormalScores
from amae_engine.jobs.evaluation.operating_points import Calibration, calibrate, on_unseen_normals
from amae_engine.project import Project

Values = npt.NDArray[np.float64]


class Listed(StrEnum):
    """Which test images the list shows."""

    ALL = "all images"
    TRUE_POSITIVE = "true positives"
    FALSE_POSITIVE = "false positives"
    FALSE_NEGATIVE = "false negatives"
    TRUE_NEGATIVE = "true negatives"
    ABNORMAL = "abnormal images"
    NORMAL = "normal images"
    CALLED_ABNORMAL = "called abnormal"
    CALLED_NORMAL = "called normal"
    AROUND = "nearest the threshold"
    BAR = "in the bar that was clicked"
    REGIONS = "with regions"
    NOTES = "with notes"


@dataclass(frozen=True, slots=True)
class ReviewState:
    """One score run: its images, scores, and its evaluation where truth allows one.

    Attributes:
        runs: Every judged run's number and what it is, newest first.
        image_ids, store_rows, truth, names: (n,) scored test images by id; truth −1 is unknown.
        values: For each score (n,), NaN where an image has none.
        normals: Each score that has any, on normal images that its model was not trained on.
        aspects: (n,) width over height of each original.
        evaluation: None where truth is missing or closed; `problem` says what is.
        starts: Where each score's operating point stands at first.
        calibrations: Of each judged score, or why there is none.
        is_sealed: Whether the truth of test images is closed; it is −1 then.
        shows_validation: Whether the images are those that thresholds are chosen by.
    """

    run_id: int
    runs: tuple[tuple[int, str], ...]
    image_ids: npt.NDArray[np.int64]
    store_rows: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int8]
    names: tuple[str, ...]
    aspects: Values
    values: dict[ScoreKind, Values]
    normals: dict[ScoreKind, NormalScores]
    evaluation: RunEvaluation | None
    problem: str
    peer: str
    leading: LeadingScore | None
    starts: dict[ScoreKind, StartPoint]
    calibrations: dict[ScoreKind, Calibration | str]
    is_sealed: bool
    shows_validation: bool

    def ref(self, place: int) -> ImageRef:
        """An image, as the viewer asks for it."""
        return ImageRef(
            int(self.image_ids[place]), int(self.store_rows[place]), float(self.aspects[place])
        )

    def judged(self, kind: ScoreKind) -> ScoreEvaluation | None:
        """The evaluation of one score."""
        if self.evaluation is None:
            return None
        return self.evaluation.score(kind)

    def label(self, kind: ScoreKind) -> str:
        """A score's name with its origin; a peer's carries the method's name."""
        leading = ", leading" if self.leading is not None and self.leading.kind is kind else ""
        origin = kind.origin if self.evaluation is None else self.evaluation.origin(kind)
        return f"{self.name(kind)} [{origin}{leading}]"

    @property
    def images_are(self) -> str:
        """What the images are for."""
        return "validation images" if self.shows_validation else "test images"

    @property
    def first(self) -> ScoreKind:
        """The score that is shown first: the leading one, else the run's own first."""
        if self.leading is not None and self.leading.kind in self.values:
            return self.leading.kind
        return ScoreKind.PEER if ScoreKind.PEER in self.values else next(iter(self.values))

    def name(self, kind: ScoreKind) -> str:
        """A score's name."""
        return kind.named(self.peer) if self.evaluation is None else self.evaluation.label(kind)

    def called(self, place: int, kind: ScoreKind, threshold: float) -> str:
        """What an operating point makes of an image: "called abnormal"."""
        value = self.values[kind][place]
        if np.isnan(value):
            return "not rated by this score"
        return "called abnormal" if value >= threshold else "called normal"

    def point(self, kind: ScoreKind, threshold: float) -> OperatingPoint | None:
        """What a threshold does to the judged images."""
        judged = self.judged(kind)
        return None if judged is None else operating_point(judged.truth, judged.values, threshold)

    def listed(
        self,
        kind: ScoreKind,
        threshold: float,
        listed: Listed,
        bar: tuple[float, float] = (-np.inf, np.inf),
        among: Collection[int] = (),
    ) -> npt.NDArray[np.int64]:
        """Places of the images to list, highest score first; nearest first around a threshold.

        Args:
            kind: The score.
            threshold: Of the operating point.
            listed: Which.
            bar: Lowest and highest score of the bar that was clicked.
            among: Ids of the images with regions or notes, for these two.
        """
        values = self.values[kind]
        if listed is Listed.AROUND:
            return np.argsort(np.abs(np.nan_to_num(values - threshold, nan=np.inf)), kind="stable")
        called, spared = values >= threshold, values < threshold  # neither where there is no score
        keep = {
            Listed.ALL: np.ones(len(values), dtype=bool),
            Listed.TRUE_POSITIVE: called & (self.truth == 1),
            Listed.FALSE_POSITIVE: called & (self.truth == 0),
            Listed.FALSE_NEGATIVE: spared & (self.truth == 1),
            Listed.TRUE_NEGATIVE: spared & (self.truth == 0),
            Listed.ABNORMAL: self.truth == 1,
            Listed.NORMAL: self.truth == 0,
            Listed.CALLED_ABNORMAL: called,
            Listed.CALLED_NORMAL: spared,
            Listed.REGIONS: np.isin(self.image_ids, list(among)),
            Listed.NOTES: np.isin(self.image_ids, list(among)),
            Listed.BAR: (values >= bar[0]) & (values <= bar[1]),
        }[listed]
        places = np.flatnonzero(keep)
        return places[np.argsort(-np.nan_to_num(values[places], nan=-np.inf), kind="stable")]

    def why(self, place: int) -> str:
        """Why an image has its scores: each score, and its percentile among normal images."""
        lines = []
        normal = self.truth == 0
        for kind, values in self.values.items():
            value = values[place]
            if np.isnan(value):
                lines.append(f"{self.name(kind)}: not rated")
                continue
            text = f"{self.name(kind)}: {value:.4g}"
            if kind in self.normals:
                among = self.normals[kind]
                below = 100 * float((among.values < value).mean())
                text += f" · above {below:.0f} % of {among.images} normal training images"
            others = values[normal & ~np.isnan(values)]
            if len(others) >= 5:
                below = 100 * float((others < value).mean())
                text += f" · above {below:.0f} % of the normal {self.images_are}"
            lines.append(text)
        return "\n".join(lines)


def lead_text(before: ReviewState | None, now: ReviewState) -> str:
    """Why another score leads than before; "" where it is the same, or another run."""
    if before is None or before.run_id != now.run_id or not before.leading or not now.leading:
        return ""
    if now.leading.kind is before.leading.kind:
        return ""
    old, new = now.name(before.leading.kind), now.name(now.leading.kind)
    return f"Run {now.run_id} is led by {new} now, no longer by {old}: {now.leading.reason}."


def read_review_state(
    project: Project, run_id: int = 0, reader: str = "", validation: bool = False
) -> ReviewState:
    """Read a score run or a peer's.

    Args:
        project: Whose.
        run_id: 0 is the newest score run, or the newest peer's without one.
        reader: Who looks, for the audit.
        validation: Show the validation images in place of the test images.

    Raises:
        NotReady: No run has scored such images yet.
    """
    found = judged_runs(project)
    if not found:
        raise NotReady(
            "No test image is scored yet. Run stage 1 and stage 2 in Train; scoring follows by "
            "itself. You need images with the role 'test'."
        )
    wanted = [row for row in found if row.id == run_id]
    own = [row for row in found if row.kind is RunKind.SCORE]
    chosen = (wanted or own or found)[0]
    shown, values = rated_images(project, chosen.id, validation)
    with project.session() as session:
        is_sealed = looks.is_sealed(session) and not validation
    try:
        evaluation, problem = evaluate_run(project, chosen.id, reader, validation), ""
        leading = evaluation.leading
    except NotReady as error:
        evaluation, problem = None, str(error)
        leading = leading_score(project, chosen.id)
    judged = {score.kind: score for score in evaluation.scores} if evaluation else {}
    return ReviewState(
        run_id=chosen.id,
        runs=tuple((row.id, method_title(row)) for row in found),
        image_ids=shown.ids,
        store_rows=shown.store_rows,
        truth=np.full_like(shown.truth, -1) if is_sealed else shown.truth,
        names=shown.names,
        aspects=shown.aspects,
        values=values,
        normals=on_unseen_normals(project, chosen.id, values),
        evaluation=evaluation,
        problem=problem,
        peer=peer_title(chosen),
        leading=leading,
        starts=start_points(project, chosen.id, values, judged),
        calibrations={} if validation else _calibrations(project, chosen.id, judged),
        is_sealed=is_sealed,
        shows_validation=validation,
    )


def _calibrations(
    project: Project, run_id: int, judged: dict[ScoreKind, ScoreEvaluation]
) -> dict[ScoreKind, Calibration | str]:
    found: dict[ScoreKind, Calibration | str] = {}
    for kind, score in judged.items():
        try:
            found[kind] = calibrate(
                project, run_id, kind, score.truth, score.values, score.patients
            )
        except NotReady as error:
            found[kind] = str(error)
    return found
