"""What each experiment runs, and which cell of its table each run fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from amae_engine.catalog import image_tables
from amae_engine.catalog.image_draws import most_for_every_ratio
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Split
from amae_engine.config import STEPS, KeepRule, Reconstructs, ScoreKind, UnlabeledDraw
from amae_engine.config.peers import PeerConfig, PeerMethod, Protocol
from amae_engine.errors import BadSetting, TooFewImages
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.project import Project

RATIOS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LEADING = "leading"
REFERENCE = "AMAE, leading score"  # the row that the others are tested against
_EQ4, _STAGE1 = "AMAE, A_inter", "AMAE, stage 1"
_WITHOUT = "B on all of U, without pseudo-labels"
_OVER_TOKENS = " over tokens"  # what is not the paper's Eq. 4, over pixels, is named so
_BACKBONES = ("foundation", "compact")
_RANDOM = "timm:vit_small_patch14_dinov2=random"  # `foundation`'s network, which is untrained
# the methods that Table 2 gives under both protocols
_BOTH = (
    PeerMethod.DDAD_AE,
    PeerMethod.CUTPASTE,
    PeerMethod.ANATPASTE,
    PeerMethod.FPI,
    PeerMethod.PII,
    PeerMethod.NSA,
    PeerMethod.MASK_RECONSTRUCTION,
)


class Experiment(StrEnum):
    """One of the paper's tables and figures, or replicates alone."""

    TABLE2 = "table2"
    FIG3A = "fig3a"
    FIG3B = "fig3b"
    FIG3C = "fig3c"
    REPLICATES = "replicates"

    @property
    def label(self) -> str:
        """What the reader sees."""
        return _TEXTS[self]

    @property
    def uses_hidden_truth(self) -> bool:
        """Whether it draws unlabeled images by what is hidden from training."""
        return self is Experiment.FIG3A

    @property
    def measure(self) -> str:
        """What its cells hold: "auc" or "chi_square"."""
        return "chi_square" if self is Experiment.FIG3B else "auc"


_TEXTS = {
    Experiment.TABLE2: "Table 2: every method, protocols N and Y",
    Experiment.FIG3A: "Fig. 3 (a): AUC over the anomaly ratio",
    Experiment.FIG3B: "Fig. 3 (b): χ² with and without pseudo-labels",
    Experiment.FIG3C: "Fig. 3 (c): backbones",
    Experiment.REPLICATES: "Replicates: the same settings, other seeds",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How an experiment is to be made.

    Attributes:
        seeds: One replicate each.
        methods: Peers of Table 2; () for all.
        ratios: Of Fig. 3 (a).
        settings: Changes of every job of a kind: {"stage1": {"training.epochs": 3}}.
        preset: Of AMAE's own runs; "" for the default.
        encoders: Of Fig. 3 (c), next to its own: "timm:NAME=FILE" or a file of ours.
        imagenet: Weights of a masked autoencoder pre-trained on ImageNet, for Table 2's row AMAE-IN.
    """

    experiment: Experiment
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    methods: tuple[PeerMethod, ...] = ()
    ratios: tuple[float, ...] = RATIOS
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preset: str = ""
    encoders: tuple[str, ...] = ()
    imagenet: str = ""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise BadSetting("An experiment needs at least one seed, each once.")
        if any(not 0 <= ratio <= 1 for ratio in self.ratios) or not self.ratios:
            raise BadSetting("Anomaly ratios lie between 0 and 1.")


def plan_jobs(project: Project, plan: Plan) -> list[NewJob]:
    """The jobs of an experiment, in order.

    Raises:
        BadSetting: A setting is unknown.
        TooFewImages: The unlabeled images' hidden truth does not allow the anomaly ratios.
    """
    makers = {
        Experiment.TABLE2: _table2,
        Experiment.FIG3A: _fig3a,
        Experiment.FIG3B: _fig3b,
        Experiment.FIG3C: _fig3c,
        Experiment.REPLICATES: _replicates,
    }
    jobs: list[NewJob] = []
    for seed in plan.seeds:
        makers[plan.experiment](project, plan, seed, jobs)
    return jobs


def _table2(project: Project, plan: Plan, seed: int, jobs: list[NewJob]) -> None:
    for method in plan.methods or tuple(PeerMethod):
        protocols = (Protocol.N, Protocol.Y) if method in _BOTH else (Protocol.N,)
        if method is PeerMethod.NO_PSEUDO_LABELS:
            protocols = (Protocol.Y,)
        jobs += [_peer(plan, seed, method, protocol, str(protocol)) for protocol in protocols]
    _chain(project, plan, seed, jobs, "Y", extra=((_STAGE1, "N", ScoreKind.STAGE1_PROBABILITY),))
    if plan.imagenet:  # as in the paper: the same, from other starting weights, over pixels
        own = {kind: dict(plan.settings.get(kind, {})) for kind in ("stage1", "stage2")}
        own["stage1"] |= {"weights": plan.imagenet, "encoder": ""}
        own["stage2"] |= {"reconstructs": str(Reconstructs.PIXELS)}
        changed = replace(plan, settings={**plan.settings, **own})
        _chain(project, changed, seed, jobs, "Y", name="AMAE-IN")


def _fig3a(project: Project, plan: Plan, seed: int, jobs: list[NewJob]) -> None:
    with project.session() as session:
        table = image_tables.images_in(session, Split.UNLABELED)
    count = most_for_every_ratio(table, plan.ratios)
    if count < 1:
        raise TooFewImages(
            "A sweep over the anomaly ratio draws unlabeled images by their hidden truth, and too "
            "few have one; import it with a table's truth column."
        )
    for ratio in plan.ratios:
        draw = UnlabeledDraw(count, ratio, seed)
        column = f"{100 * ratio:.0f} %"
        _chain(project, plan, seed, jobs, column, draw=draw)
        methods = plan.methods or (PeerMethod.MASK_RECONSTRUCTION, PeerMethod.DDAD_AE)
        jobs += [_peer(plan, seed, method, Protocol.Y, column, draw) for method in methods]


def _fig3b(project: Project, plan: Plan, seed: int, jobs: list[NewJob]) -> None:
    """The same stage 1 and module A: module B alone learns Ua, or all of U."""
    _chain(project, plan, seed, jobs, "χ²")
    stage2, score = jobs[-2], jobs[-1]
    labels = {**stage2.config["pseudo_labels"], "rule": str(KeepRule.B_ON_ALL)}
    config = {**stage2.config, "pseudo_labels": labels}
    place = len(jobs) - 2
    jobs.append(NewJob(f"AMAE stage2, {_WITHOUT}, seed {seed}", "stage2", config, place))
    kind = str(ScoreKind.DISCREPANCY)
    read = {"row": f"{_eq4(config)}, {_WITHOUT}", "column": "χ²", "seed": seed, "score": kind}
    title = f"AMAE score, {_WITHOUT}, seed {seed}"
    jobs.append(NewJob(title, "score", score.config, len(jobs) - 1, (read,)))


def _fig3c(project: Project, plan: Plan, seed: int, jobs: list[NewJob]) -> None:
    for preset in _BACKBONES:
        _chain(project, plan, seed, jobs, preset, preset=preset, extra=_paper_stage1(preset))
    for encoder in (*plan.encoders, _RANDOM):
        own = {**plan.settings.get("stage1", {}), "encoder": encoder}
        changed = replace(plan, settings={**plan.settings, "stage1": own})
        model, _, file = encoder.removeprefix("timm:").partition("=")
        column = f"{model}, {Path(file).name}" if file else Path(model).name
        extra = _paper_stage1(column)
        _chain(project, changed, seed, jobs, column, preset=_BACKBONES[0], extra=extra)


def _paper_stage1(column: str) -> tuple[tuple[str, str, ScoreKind], ...]:
    return ((_STAGE1, column, ScoreKind.STAGE1_PROBABILITY),)


def _eq4(stage2: Mapping[str, Any]) -> str:
    """The row of A_inter: over tokens it is not the paper's Eq. 4."""
    is_pixels = stage2["reconstructs"] == Reconstructs.PIXELS
    return f"{_EQ4} (Eq. 4)" if is_pixels else f"{_EQ4}{_OVER_TOKENS}"


def _replicates(project: Project, plan: Plan, seed: int, jobs: list[NewJob]) -> None:
    every = tuple(
        (kind.label, "AUC", kind)
        for kind in ScoreKind
        if kind.origin != "peer" and kind not in (ScoreKind.DISCREPANCY, ScoreKind.RERANKED)
    )
    _chain(project, plan, seed, jobs, "AUC", extra=every)


def _peer(
    plan: Plan,
    seed: int,
    method: PeerMethod,
    protocol: Protocol,
    column: str,
    draw: UnlabeledDraw | None = None,
) -> NewJob:
    config = PeerConfig(method=method, protocol=protocol, seed=seed)
    if draw is not None:
        config = config.replace(unlabeled=draw)
    config = config.changed(plan.settings.get("peer", {}))
    reads = ({"row": config.label, "column": column, "seed": seed, "score": str(ScoreKind.PEER)},)
    return NewJob(f"{config.title}, {column}, seed {seed}", "peer", config.to_dict(), None, reads)


def _chain(
    project: Project,
    plan: Plan,
    seed: int,
    jobs: list[NewJob],
    column: str,
    draw: UnlabeledDraw | None = None,
    preset: str = "",
    extra: Sequence[tuple[str, str, ScoreKind]] = (),
    name: str = "AMAE",
) -> None:
    """Stage 1, stage 2 and scoring, each on the one before; the last one fills the cells."""
    chosen = preset or plan.preset
    own: dict[str, dict[str, Any]] = {
        "stage1": {"training.seed": seed, **({} if draw is None else {"unlabeled": draw})},
        "stage2": {"training.seed": seed},
        "score": {"seed": seed},
    }
    configs = {
        kind: default_config(project, STEPS[kind], chosen)
        .config.changed(changes)
        .changed(plan.settings.get(kind, {}))
        for kind, changes in own.items()
    }
    eq4 = _eq4(configs["stage2"].to_dict())
    cells = [
        (row.replace("AMAE", name, 1), column, score)
        for row, score in ((REFERENCE, LEADING), (eq4, str(ScoreKind.DISCREPANCY)))
    ]
    cells += [(row, where, str(kind)) for row, where, kind in extra]
    reads = tuple(
        {"row": row, "column": where, "seed": seed, "score": score} for row, where, score in cells
    )
    first = len(jobs)
    for place, (kind, config) in enumerate(configs.items()):
        jobs.append(
            NewJob(
                f"{name} {kind}, {column}, seed {seed}",
                kind,
                config.to_dict(),
                first + place - 1 if place else None,
                reads if kind == "score" else (),
            )
        )
    if draw is not None:  # where few images are abnormal, stage 2 may have nothing to learn from
        alone = configs["score"].replace(without_stage2=True).to_dict()
        title = f"AMAE without stage 2, {column}, seed {seed}"
        jobs.append(NewJob(title, "score", alone, first, reads[:1]))
