"""What the Results workspace shows; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import scores, studies
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.roc import OperatingPoint, operating_point
from amae_engine.jobs.evaluate_run import RunEvaluation, ScoreEvaluation, evaluate_run, score_runs
from amae_engine.project import Project

Values = npt.NDArray[np.float64]


class Listed(StrEnum):
    """Which test images the list shows."""

    ALL = "all images"
    TRUE_POSITIVE = "true positives"
    FALSE_POSITIVE = "false positives"
    FALSE_NEGATIVE = "false negatives"
    TRUE_NEGATIVE = "true negatives"


@dataclass(frozen=True, slots=True)
class ReviewState:
    """One score run: its images, scores, and its evaluation where truth allows one.

    Attributes:
        image_ids, store_rows, truth, names: (n,) scored test images by id; truth −1 is unknown.
        values: For each score (n,), NaN where an image has none.
        aspects: (n,) width over height of each original.
        evaluation: None where truth is missing; `problem` says what is.
    """

    run_id: int
    runs: tuple[int, ...]
    image_ids: npt.NDArray[np.int64]
    store_rows: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int8]
    names: tuple[str, ...]
    aspects: Values
    values: dict[ScoreKind, Values]
    evaluation: RunEvaluation | None
    problem: str

    def judged(self, kind: ScoreKind) -> ScoreEvaluation | None:
        """The evaluation of one score."""
        if self.evaluation is None:
            return None
        return next((s for s in self.evaluation.scores if s.kind is kind), None)

    def point(self, kind: ScoreKind, threshold: float) -> OperatingPoint | None:
        """What a threshold does to the judged images."""
        judged = self.judged(kind)
        if judged is None or self.evaluation is None:
            return None
        return operating_point(self.evaluation.truth, judged.values, threshold)

    def listed(self, kind: ScoreKind, threshold: float, listed: Listed) -> npt.NDArray[np.int64]:
        """Places of the images to list, highest score first."""
        values = self.values[kind]
        called = values >= threshold
        keep = {
            Listed.ALL: np.ones(len(values), dtype=bool),
            Listed.TRUE_POSITIVE: called & (self.truth == 1),
            Listed.FALSE_POSITIVE: called & (self.truth == 0),
            Listed.FALSE_NEGATIVE: ~called & (self.truth == 1),
            Listed.TRUE_NEGATIVE: ~called & (self.truth == 0),
        }[listed]
        places = np.flatnonzero(keep)
        return places[np.argsort(-np.nan_to_num(values[places], nan=-np.inf), kind="stable")]

    def why(self, place: int) -> str:
        """Why an image has its scores: probability, and percentiles among the test normals."""
        lines = []
        normal = self.truth == 0
        for kind, values in self.values.items():
            value = values[place]
            if np.isnan(value):
                lines.append(f"{kind.label}: not rated")
                continue
            text = f"{kind.label}: {value:.4g}"
            if normal.sum() >= 5:
                below = 100 * float((values[normal] < value).mean())
                text += f" · above {below:.0f} % of the test normals"
            lines.append(text)
        return "\n".join(lines)


def default_threshold(state: ReviewState, kind: ScoreKind) -> float:
    """Where sensitivity + specificity is highest (Youden); the median without truth."""
    judged = state.judged(kind)
    if judged is None:
        return float(np.nanmedian(state.values[kind]))
    best = int(np.argmax(judged.roc.y - judged.roc.x))
    threshold = float(judged.roc.thresholds[best])
    return threshold if np.isfinite(threshold) else float(judged.values.max())


def read_review_state(project: Project, run_id: int = 0) -> ReviewState:
    """Read a score run; 0 is the newest.

    Raises:
        NotReady: No run has scored test images yet.
    """
    found = tuple(row.id for row in score_runs(project))
    if not found:
        raise NotReady(
            "No test image is scored yet. Run stage 1 and stage 2 in Train; scoring follows by "
            "itself. You need images with the role 'test'."
        )
    chosen = run_id if run_id in found else found[0]
    with project.session() as session:
        kinds = scores.kinds(session, chosen)
        ids, _ = scores.load(session, chosen, ScoreKind.DISCREPANCY)
        table = studies.images_in(session, Split.TEST)
        known = np.isin(table.ids, ids)
        shown = table.ids[known]
        values = {kind: scores.of_images(session, chosen, kind, shown) for kind in kinds}
        rows = studies.rows(session, shown.tolist())
    try:
        evaluation, problem = evaluate_run(project, chosen), ""
    except NotReady as error:
        evaluation, problem = None, str(error)
    return ReviewState(
        run_id=chosen,
        runs=found,
        image_ids=shown,
        store_rows=table.store_rows[known],
        truth=table.truth[known],
        names=tuple(row.name for row in rows),
        aspects=np.array([row.columns / row.rows for row in rows]),
        values=values,
        evaluation=evaluation,
        problem=problem,
    )
