"""How right each source of pseudo-labels is, on the unlabeled images that readers checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.tables import Label
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource
from amae_engine.errors import AmaeError
from amae_engine.evaluation.agreement import Proportion, share_of
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    PseudoLabelView,
    current_pseudo_labels,
)
from amae_engine.method.pseudo_labels import PseudoLabel, assign
from amae_engine.project import Project

_OF_READER = {Label.NORMAL: 0, Label.ABNORMAL: 1}


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """One source, judged by readers.

    Attributes:
        images: Checked images that it rates.
        normal, abnormal: Share of its pseudo-normal and pseudo-abnormal ones, by its ratings alone,
            that readers call so; None where none is checked.
        auc: Of its ratings for what readers called; None where they called one class alone.
        said, found: The mean probability that it says, and the share that readers call abnormal.
        brier: Mean squared difference of the two (Brier 1950); 0 is perfect.
        fair: Whether these images came in random order without their truth, so that the figures
            hold for all of U.
        missing: Why it rates nothing; "" where it does.
    """

    source: PseudoLabelSource
    images: int = 0
    normal: Proportion | None = None
    abnormal: Proportion | None = None
    auc: Auc | None = None
    said: float = float("nan")
    found: float = float("nan")
    brier: float = float("nan")
    fair: bool = False
    missing: str = ""

    def said_of_it(self) -> tuple[str, ...]:
        """Its figures, a short text each; () where it rates nothing."""
        if self.missing:
            return ()
        texts = [
            f"{name} pure: {share.percent}"
            for name, share in (("normal", self.normal), ("abnormal", self.abnormal))
            if share is not None
        ]
        if self.auc is not None:
            texts.append(f"AUC {self.auc.text()}")
        found = f"readers find {100 * self.found:.0f} %"
        texts += [f"says {100 * self.said:.0f} % abnormal, {found}", f"Brier {self.brier:.2f}"]
        return tuple(texts)


def source_qualities(
    project: Project, config: PseudoLabelConfig, stage1_run: int = 0
) -> list[SourceQuality]:
    """Judge every source with the same K.

    Args:
        project: Where scores and decisions are.
        config: K and its reading; its source does not matter.
        stage1_run: Whose ratings; 0 for the newest.
    """
    with project.session() as session:
        current = CurrentDecisions().read(session)
    called = {i: _OF_READER[label] for i, label in current.decided.items() if label in _OF_READER}
    sample = {i: called[i] for i in current.fair.tolist() if i in called}
    return [
        _judged(project, config.replace(source=source), stage1_run, sample or called, bool(sample))
        for source in PseudoLabelSource
    ]


def _judged(
    project: Project,
    config: PseudoLabelConfig,
    stage1_run: int,
    called: dict[int, int],
    fair: bool,
) -> SourceQuality:
    try:
        view = current_pseudo_labels(project, config, stage1_run)
    except AmaeError as error:
        return SourceQuality(config.source, missing=str(error))
    checked = np.isin(view.image_ids, list(called))
    if not checked.any():
        return SourceQuality(config.source, missing="readers have checked no image that it rates")
    truth = np.array([called[i] for i in view.image_ids[checked].tolist()], dtype=np.int8)
    labels = _by_rating(view, config)[checked]
    said = view.probability[checked]
    both = 0 < truth.sum() < len(truth)
    owners = view.unlabeled.patient_ids[checked]
    return SourceQuality(
        config.source,
        len(truth),
        _purity(labels, truth, owners, PseudoLabel.NORMAL),
        _purity(labels, truth, owners, PseudoLabel.ABNORMAL),
        auc_interval(truth, view.log_odds[checked], owners) if both else None,
        float(said.mean()),
        float(truth.mean()),
        float(((said - truth) ** 2).mean()),
        fair,
    )


def _by_rating(view: PseudoLabelView, config: PseudoLabelConfig) -> npt.NDArray[np.int8]:
    """The labels of all images by the ratings alone."""
    nobody = np.full(len(view.log_odds), PseudoLabel.UNUSED, dtype=np.int8)
    return assign(view.log_odds, nobody, config).labels


def _purity(
    labels: npt.NDArray[np.int8],
    truth: npt.NDArray[np.int8],
    owners: npt.NDArray[np.int64],
    wanted: PseudoLabel,
) -> Proportion | None:
    own = labels == wanted
    return share_of(truth[own] == wanted, owners[own]) if own.any() else None
