"""Judge a score run on the images whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, locked_points, looks, runs, scores
from amae_engine.catalog.tables import JUDGED, RunKind, Split
from amae_engine.config import Reconstructs, ScoreKind, Stage1Config
from amae_engine.config.applied_model import AppliedModel
from amae_engine.config.peers import PeerConfig
from amae_engine.errors import NotReady
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.evaluation.histograms import chi_square_by_chance, chi_square_distance
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.roc import (
    Curve,
    average_precision_interval,
    precision_recall_curve,
    roc_curve,
)
from amae_engine.jobs.evaluation.leading_score import LeadingScore, leading_score
from amae_engine.jobs.evaluation.what_scores_learned import what_scores_learned
from amae_engine.project import Project
from amae_engine.runs.record import newest_finished


@dataclass(frozen=True, slots=True)
class ScoreEvaluation:
    """One score, judged on the n images that have it and whose truth is known.

    Attributes:
        image_ids: (n,) int64, ascending.
        names: n image names.
        truth: (n,) int8 of 0 and 1.
        values: (n,) the scores.
        patients: (n,) whose images they are.
        ap: Average precision, its bootstrap interval over patients.
        chi_square: Distance of the two classes' histograms, 0 to 100.
        chi_square_by_chance: What truth dealt at random gives on average.
    """

    kind: ScoreKind
    image_ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    truth: npt.NDArray[np.int8]
    values: npt.NDArray[np.float64]
    patients: npt.NDArray[np.int64]
    auc: Auc
    ap: Measured
    roc: Curve
    pr: Curve
    chi_square: float
    chi_square_by_chance: float

    @property
    def images(self) -> str:
        """On how many images it was judged: "32 normal + 30 abnormal"."""
        return _counts(self.truth)

    def area(self, is_pr: bool) -> Measured:
        """AP, or AUC, with its 95 % interval."""
        return self.ap if is_pr else self.auc


@dataclass(frozen=True, slots=True)
class RunEvaluation:
    """A score run, each score judged on the images that have it.

    Attributes:
        image_ids: (n,) int64 of the images that any score was judged on.
        names: n image names.
        truth: (n,) int8 of 0 and 1.
        patients: (n,) whose images they are.
        unjudged: Why a score could not be judged.
        leading: The leading score, and why it was chosen; None for a peer.
        peer: The peer method and its protocol; "" for a score run of AMAE.
        images_are: What the images are: tested on, or chosen by.
        learned: What its scores have learned: the proxy task's worth, shortcuts.
        over_tokens: Whether the modules reconstruct tokens: A_inter is then not the paper's Eq. 4.
    """

    run_id: int
    project: str
    image_ids: npt.NDArray[np.int64]
    names: tuple[str, ...]
    truth: npt.NDArray[np.int8]
    patients: npt.NDArray[np.int64]
    scores: tuple[ScoreEvaluation, ...]
    unjudged: tuple[str, ...] = ()
    leading: LeadingScore | None = None
    peer: str = ""
    images_are: str = "test images"
    learned: tuple[str, ...] = ()
    over_tokens: bool = False

    def score(self, kind: ScoreKind) -> ScoreEvaluation | None:
        """One score, None where the run has not got it or it could not be judged."""
        return next((score for score in self.scores if score.kind is kind), None)

    def label(self, kind: ScoreKind) -> str:
        """A score's name in tables; a peer's carries the method's name, A_inter what it is over."""
        return f"{kind.named(self.peer)}{' over tokens' if self.is_over_tokens(kind) else ''}"

    def origin(self, kind: ScoreKind) -> str:
        """Whose a score is; the paper's Eq. 4 is over pixels, so over tokens it is ours."""
        return "ours" if self.is_over_tokens(kind) else kind.origin

    def is_over_tokens(self, kind: ScoreKind) -> bool:
        """Whether a score compares tokens where the paper's compares pixels."""
        return self.over_tokens and kind is ScoreKind.DISCREPANCY

    @property
    def measured_on(self) -> str:
        """What the numbers were measured on, for every place that shows one."""
        fewer = [
            f"{self.label(score.kind)} on {score.images}"
            for score in self.scores
            if len(score.image_ids) < len(self.image_ids)
        ]
        peer = f", {self.peer}" if self.peer else ""
        rest = f"; not rated on all of them: {', '.join(fewer)}" if fewer else ""
        several = f" of {self._patients} patients" if self.by_patient else ""
        return (
            f"{_counts(self.truth)} {self.images_are}{several} of '{self.project}', run "
            f"{self.run_id}{peer}{rest}"
        )

    @property
    def _patients(self) -> int:
        return len(np.unique(self.patients))

    @property
    def by_patient(self) -> bool:
        """Whether a patient has several of the images."""
        return self._patients < len(self.patients)

    @property
    def intervals(self) -> str:
        """How the 95 % intervals were made, for every place that shows one."""
        variance = (
            f"Obuchowski's variance by patients ({self._patients})"
            if self.by_patient
            else "DeLong's variance (each image is another patient's)"
        )
        return (
            f"95 % intervals: AUC by {variance} on the logit scale, AP by bootstrap over patients."
        )


def evaluate_run(
    project: Project, score_run: int = 0, reader: str = "", validation: bool = False
) -> RunEvaluation:
    """AUC, AP, curves and χ² of every score of a run; that it was looked at is in the audit.

    Args:
        project: Where the run is.
        score_run: A score run or a peer's; 0 for the newest finished score run.
        reader: Who looks.
        validation: On the validation images, in place of the test images.

    Raises:
        NotReady: There is no such run, truth is missing, or the test images are sealed; the
            message says what to do.
    """
    run = judged_run(project, score_run, "Evaluation")
    if not validation:
        project.in_session(looks.require_open, f"Judging run {run.id}")
    table, values = rated_images(project, run.id, validation)
    judged = table.truth >= 0
    known = table.chosen(judged)
    what = "validation images" if validation else "test images"
    if not _has_both(known.truth):
        raise NotReady(
            f"AUC and ROC need {what} of both classes with known truth; run {run.id} has "
            f"{int((known.truth == 0).sum())} normal and {int((known.truth == 1).sum())} abnormal "
            f"ones. Set the truth of test images in Studies or import it with a table."
        )
    with project.session() as session:
        if not validation and not project.only_reading:
            locked_points.open_test(session, run.id, reader, "its results were looked at")
        subjects = (looks.TRUTH, *map(str, values))
        looks.note(session, known.ids.tolist(), subjects, reader, f"run {run.id}")
    found, unjudged = [], []
    for kind, numbers in values.items():
        own = table.chosen(judged & ~np.isnan(numbers))
        if _has_both(own.truth):
            found.append(_judge(kind, own, numbers[judged & ~np.isnan(numbers)]))
        else:
            unjudged.append(f"{kind.label}: only {_counts(own.truth)} test images have it")
    return RunEvaluation(
        run_id=run.id,
        project=project.name,
        image_ids=known.ids,
        names=known.names,
        truth=known.truth,
        patients=known.patient_ids,
        scores=tuple(found),
        unjudged=tuple(unjudged),
        leading=leading_score(project, run.id),
        peer=peer_title(run),
        images_are=what,
        learned=_learned(project, run),
        over_tokens=_over_tokens(project, run),
    )


def _over_tokens(project: Project, run: runs.RunRow) -> bool:
    with project.session() as session:
        parent = None if run.parent_id is None else runs.get(session, run.parent_id)
    stage2 = parent is not None and parent.kind is RunKind.STAGE2
    return stage2 and parent is not None and parent.config["reconstructs"] == Reconstructs.TOKENS


def _learned(project: Project, run: runs.RunRow) -> tuple[str, ...]:
    """Of the stage-1 run that a score run stands on; () for a peer."""
    with project.session() as session:
        stage1 = runs.stage1_of(session, run)
    if stage1 is None:
        return ()
    return what_scores_learned(project, stage1.id, Stage1Config.from_dict(stage1.config))


def rated_images(
    project: Project, run_id: int, validation: bool = False
) -> tuple[image_tables.ImageTable, dict[ScoreKind, npt.NDArray[np.float64]]]:
    """The n test images that have a score of a run, and its scores (n,), NaN where one lacks it.

    Args:
        project: Where the run is.
        run_id: A score run or a peer's.
        validation: Those that thresholds are chosen by, in place of those that are tested on.
    """
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        table = table.chosen(table.is_validation == validation)
        values = {
            kind: scores.of_images(session, run_id, kind, table.ids)
            for kind in scores.kinds(session, run_id)
        }
    rated = np.zeros(len(table.ids), dtype=bool)
    for numbers in values.values():
        rated |= ~np.isnan(numbers)
    return table.chosen(rated), {kind: numbers[rated] for kind, numbers in values.items()}


def _has_both(truth: npt.NDArray[np.int8]) -> bool:
    return bool((truth == 0).any() and (truth == 1).any())


def _counts(truth: npt.NDArray[np.int8]) -> str:
    return f"{int((truth == 0).sum())} normal + {int((truth == 1).sum())} abnormal"


def peer_title(run: runs.RunRow) -> str:
    """The method and the protocol of a peer's run, or the model's name; "" for every other run."""
    if run.kind is RunKind.MODEL:
        return AppliedModel.from_dict(run.config).title
    return PeerConfig.from_dict(run.config).title if run.kind is RunKind.PEER else ""


def method_title(run: runs.RunRow) -> str:
    """What made a score run or a peer's, for lists of runs."""
    without = " without stage 2" if run.config.get("without_stage2") else ""
    return peer_title(run) or f"AMAE{without}"


def judged_runs(project: Project) -> list[runs.RunRow]:
    """Finished score runs and peers' runs, newest first: all that `evaluate_run` can judge."""
    with project.session() as session:
        every = runs.list_runs(session)
    return [row for row in every if row.kind in JUDGED and row.state == "finished"]


def judged_run(project: Project, number: int, needed_for: str) -> runs.RunRow:
    """A score run or a peer's; 0 is the newest finished score run.

    Raises:
        NotReady: There is no such finished run.
    """
    if number:
        with project.session() as session:
            row = runs.get(session, number)
        if row.kind in JUDGED:
            return newest_finished(project, row.kind, number, needed_for)
    return newest_finished(project, RunKind.SCORE, number, needed_for)


def _judge(
    kind: ScoreKind, table: image_tables.ImageTable, values: npt.NDArray[np.float64]
) -> ScoreEvaluation:
    truth = table.truth
    return ScoreEvaluation(
        kind=kind,
        image_ids=table.ids,
        names=table.names,
        truth=truth,
        values=values,
        patients=table.patient_ids,
        auc=auc_interval(truth, values, table.patient_ids),
        ap=average_precision_interval(truth, values, table.patient_ids),
        roc=roc_curve(truth, values),
        pr=precision_recall_curve(truth, values),
        chi_square=chi_square_distance(truth, values),
        chi_square_by_chance=chi_square_by_chance(truth, values),
    )
