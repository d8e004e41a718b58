"""Judge a score run on the images whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs, scores, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.evaluation.histograms import chi_square_distance
from amae_engine.evaluation.roc import (
    Curve,
    average_precision,
    average_precision_interval,
    precision_recall_curve,
    roc_curve,
)
from amae_engine.jobs.run_record import newest_finished
from amae_engine.peers.methods import PeerConfig
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class ScoreEvaluation:
    """One score, judged.

    Attributes:
        values: (n,) the score of each image with known truth.
        ap, ap_low, ap_high: Average precision, its bootstrap interval over patients.
        chi_square: Distance of the two classes' histograms.
    """

    kind: ScoreKind
    values: npt.NDArray[np.float64]
    auc: Auc
    ap: float
    ap_low: float
    ap_high: float
    roc: Curve
    pr: Curve
    chi_square: float


@dataclass(frozen=True, slots=True)
class RunEvaluation:
    """A score run, judged on the n images whose truth is known.

    Attributes:
        image_ids: (n,) int64.
        names: n image names.
        truth: (n,) int8 of 0 and 1.
        without_truth: Scored images that could not be judged.
        peer: The peer method and its protocol; "" for a score run of AMAE.
    """

    run_id: int
    project: str
    image_ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    truth: npt.NDArray[np.int8]
    without_truth: int
    scores: tuple[ScoreEvaluation, ...]
    peer: str = ""

    def label(self, kind: ScoreKind) -> str:
        """A score's name in tables; a peer's carries the method's name."""
        return kind.label.replace("Peer method", self.peer) if self.peer else kind.label

    @property
    def measured_on(self) -> str:
        """What the numbers were measured on, for every place that shows one."""
        normal, abnormal = int((self.truth == 0).sum()), int((self.truth == 1).sum())
        return (
            f"{normal} normal + {abnormal} abnormal test images of '{self.project}', "
            f"run {self.run_id}{f', {self.peer}' if self.peer else ''}"
        )


def evaluate_run(project: Project, score_run: int = 0) -> RunEvaluation:
    """AUC, AP, curves and χ² of every score of a run.

    Args:
        project: Where the run is.
        score_run: A score run or a peer's; 0 for the newest finished score run.

    Raises:
        NotReady: There is no such run, or truth is missing; the message says what to do.
    """
    run = _judged_run(project, score_run)
    with project.session() as session:
        kinds = scores.kinds(session, run.id)
        table = studies.images_in(session, Split.TEST)
        rows = {row.id: row for row in studies.rows(session, table.ids.tolist())}
        values = {kind: scores.of_images(session, run.id, kind, table.ids) for kind in kinds}
    complete = np.full(len(table.ids), bool(kinds))
    for numbers in values.values():
        complete &= ~np.isnan(numbers)
    judged = complete & (table.truth >= 0)
    truth = table.truth[judged]
    normal, abnormal = int((truth == 0).sum()), int((truth == 1).sum())
    if normal == 0 or abnormal == 0:
        raise NotReady(
            f"AUC and ROC need test images of both classes with known truth; run {run.id} has "
            f"{normal} normal and {abnormal} abnormal ones. Set the truth of test images in Studies "
            f"or import it with a table."
        )
    chosen = table.ids[judged]
    patients = np.array([rows[int(i)].patient_id for i in chosen])
    return RunEvaluation(
        run_id=run.id,
        project=project.name,
        image_ids=chosen,
        names=tuple(rows[int(i)].name for i in chosen),
        truth=truth,
        without_truth=int((complete & (table.truth < 0)).sum()),
        scores=tuple(_judge(kind, truth, values[kind][judged], patients) for kind in kinds),
        peer=peer_title(run),
    )


def peer_title(run: runs.RunRow) -> str:
    """The method and the protocol of a peer's run; "" for every other run."""
    return PeerConfig.from_dict(run.config).title if run.kind is RunKind.PEER else ""


def judged_runs(project: Project) -> list[runs.RunRow]:
    """Finished score runs and peers' runs, newest first: all that `evaluate_run` can judge."""
    with project.session() as session:
        every = runs.list_runs(session)
    kinds = (RunKind.SCORE, RunKind.PEER)
    return [row for row in every if row.kind in kinds and row.state == "finished"]


def score_runs(project: Project) -> list[runs.RunRow]:
    """Finished score runs, newest first."""
    with project.session() as session:
        return [
            row
            for row in runs.list_runs(session)
            if row.kind is RunKind.SCORE and row.state == "finished"
        ]


def _judged_run(project: Project, number: int) -> runs.RunRow:
    if number:
        with project.session() as session:
            row = runs.get(session, number)
        if row.kind is RunKind.PEER:
            return newest_finished(project, RunKind.PEER, number, "Evaluation")
    return newest_finished(project, RunKind.SCORE, number, "Evaluation")


def _judge(
    kind: ScoreKind,
    truth: npt.NDArray[np.int8],
    values: npt.NDArray[np.float64],
    patients: npt.NDArray[np.int64],
) -> ScoreEvaluation:
    low, high = average_precision_interval(truth, values, patients)
    return ScoreEvaluation(
        kind=kind,
        values=values,
        auc=auc_interval(truth, values),
        ap=average_precision(truth, values),
        ap_low=low,
        ap_high=high,
        roc=roc_curve(truth, values),
        pr=precision_recall_curve(truth, values),
        chi_square=chi_square_distance(truth, values),
    )
