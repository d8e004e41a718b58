"""The sections of a report, each from what the project has kept; no identity is in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from amae_engine.catalog import (
    blind_readings,
    decisions,
    image_sources,
    studies,
)
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import (
    JsonConfig,
    PretrainConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    as_in_the_paper,
)
from amae_engine.config.applied_model import AppliedModel
from amae_engine.config.json_config import without_paths
from amae_engine.config.peers import PeerConfig
from amae_engine.jobs.curation.second_reading import agreement
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation
from amae_engine.jobs.evaluation.subgroups import FEW, subgroups
from amae_engine.jobs.sharing.export import result_lines, shown_score
from amae_engine.project import Project
from amae_engine.reports.html_report import ReportPicture, ReportSection, ReportTable
from amae_engine.runs.lineage import lineage
from amae_engine.runs.record import read_metrics, run_facts
from amae_engine.runs.rising_loss import rise_text
from amae_engine.words import plural

_CONFIGS: dict[RunKind, type[JsonConfig]] = {
    RunKind.PRETRAIN: PretrainConfig,
    RunKind.STAGE1: Stage1Config,
    RunKind.STAGE2: Stage2Config,
    RunKind.SCORE: ScoreConfig,
    RunKind.PEER: PeerConfig,
    RunKind.MODEL: AppliedModel,
}
_PAPERS = {"abnormal_share": "1: B learns abnormal images alone"}  # what no value of ours says
_NOT_CHOICES = (
    "stage1_run",
    "stage2_run",
    "module_a_run",
    "device",
    "precision",
    "compile",
    "seed",
)


def data_section(project: Project) -> ReportSection:
    """What images there are."""
    with project.session() as session:
        counts = studies.split_counts(session)
        sources = image_sources.sources(session)
        shared = len(studies.patients_in_two_splits(session))
    lines = tuple(
        (
            str(split),
            str(found.images),
            f"{found.patients}"
            + (f" and {found.unknown} images of unknown ones" if found.unknown else ""),
            f"{found.normal} normal, {found.abnormal} abnormal, "
            f"{found.images - found.normal - found.abnormal} unknown",
        )
        for split, found in counts.items()
    )
    leak = (
        f"{shared} patients have images in more than one split: the results are too good."
        if shared
        else "No known patient has images in more than one split."
    )
    validation = counts[Split.TEST].validation
    return ReportSection(
        "Data",
        "CLAIM 2024: data sources, partitions, sample size. TRIPOD+AI: 5 (data), 6 (participants)",
        (
            f"The images come from {plural(len(sources), 'source')}. {leak}",
            f"{validation} of the test images are set apart for choosing thresholds; results are "
            f"given on the others.",
            "The truth of unlabeled images, where the project knows it, is used nowhere in training.",
        ),
        (ReportTable(("split", "images", "patients", "truth"), lines),),
    )


def method_section(project: Project, run_id: int) -> ReportSection:
    """What was done: settings that differ from the paper."""
    chain = lineage(project, run_id)
    settings = [
        (f"{row.kind}, run {row.id}", name, value, paper)
        for row in chain
        for name, value, paper in _own_choices(row)
    ]
    notes = [note for row in chain for note in run_facts(project, row.id).get("notes", [])]
    rises = {row.id: rise_text(read_metrics(project, row.id)) for row in chain}
    notes += [f"Run {run}: {rise}" for run, rise in rises.items() if rise]
    return ReportSection(
        "Method",
        "CLAIM 2024: model, training, initialisation. TRIPOD+AI: 12 (analytical methods)",
        (
            "AMAE (Bozorgtabar, Mahapatra, Thiran, MICCAI 2023), as implemented in this program. "
            "Listed are the settings that differ from the paper's.",
            *notes,
        ),
        (ReportTable(("run", "setting", "here", "paper"), tuple(settings)),),
    )


def again_section(project: Project, run_id: int) -> ReportSection:
    """What each run recorded, so that it can be made again."""
    recorded = [
        (f"{row.kind}, run {row.id}", *each)
        for row in lineage(project, run_id)
        for each in _recorded(row, run_facts(project, row.id))
    ]
    return ReportSection(
        "How to make it again",
        "CLAIM 2024: reproducibility. TRIPOD+AI: 18 (open science: code, versions)",
        (
            "“amae rerun N” makes a run again from what it recorded; “amae verify” compares the files.",
        ),
        (ReportTable(("run", "what", "value"), tuple(recorded)),),
    )


def _own_choices(row: RunRow) -> list[tuple[str, str, str]]:
    config = _CONFIGS[row.kind].from_dict(row.config)
    mine, paper = _flat(config.to_dict()), _flat(_papers(config).to_dict())
    return [
        (name, str(without_paths(value)), _PAPERS.get(name, str(paper[name])))
        for name, value in mine.items()
        if paper.get(name) != value and not name.endswith(_NOT_CHOICES)
    ]


def _papers(config: JsonConfig) -> JsonConfig:
    """The paper's whole configuration of a step: its own defaults."""
    return as_in_the_paper(type(config)())


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = list(value) if isinstance(value, tuple) else value
    return found


def _recorded(row: RunRow, facts: dict[str, Any]) -> list[tuple[str, str]]:
    inputs = facts.get("inputs", {})
    found = [("began, ended (UTC)", f"{row.created_at[:19]}, {(row.finished_at or '–')[:19]}")]
    if row.finished_at:
        took = datetime.fromisoformat(row.finished_at) - datetime.fromisoformat(row.created_at)
        found.append(("took", f"{took.total_seconds():.0f} s"))
    found += [(name, str(value)) for name, value in facts.get("environment", {}).items()]
    versions = facts.get("versions", {})
    found.append(("versions", ", ".join(f"{name} {value}" for name, value in versions.items())))
    found += [(f"images, {name}", str(count)) for name, count in inputs.get("images", {}).items()]
    found += [(f"SHA-256, {name}", digest) for name, digest in inputs.get("hashes", {}).items()]
    return found


def result_section(evaluation: RunEvaluation, curves: ReportPicture) -> ReportSection:
    """Every score with its intervals, and the curves."""
    lines = tuple(
        (
            line.title,
            line.origin,
            line.images,
            line.auc.text(3),
            line.ap.text(3),
        )
        for line in result_lines(evaluation)
    )
    leading = evaluation.leading
    said = [f"Measured on {evaluation.measured_on}. Larger is more abnormal.", evaluation.intervals]
    if leading is not None:
        said.append(f"Leading score: {leading.kind.label}: {leading.reason}.")
    said += [f"Not judged: {reason}." for reason in evaluation.unjudged]
    columns = ("score", "of", "normal + abnormal", "AUC (95 %)", "AP (95 %)")
    return ReportSection(
        "Results",
        "CLAIM 2024: model performance with uncertainty. TRIPOD+AI: 23a (model performance)",
        tuple(said),
        (ReportTable(columns, lines),),
        (curves,),
    )


def learned_section(evaluation: RunEvaluation) -> ReportSection:
    """What the scores have learned besides disease."""
    lines = evaluation.learned or ("Nothing was kept of these runs that tells.",)
    return ReportSection(
        "What the scores have learned: proxy task and shortcuts",
        "CLAIM 2024: bias. TRIPOD+AI: 14 (fairness), 26 (limitations)",
        lines,
    )


def subgroup_section(project: Project, evaluation: RunEvaluation) -> ReportSection:
    """The leading score in each group; sources by their number."""
    shown = shown_score(evaluation)
    groups = subgroups(project, evaluation, shown.kind) if shown else []
    codes = {project.source_names.label(code): code for code in project.source_names.labels()}
    lines = tuple(
        (
            group.of,
            codes.get(group.value, group.value) if group.of == "source" else group.value,
            f"{group.normal} + {group.abnormal}",
            group.auc.text(3) if group.auc else "one class only",
            "few" if group.is_small else "",
        )
        for group in groups
    )
    name = shown.kind.label if shown else "no score"
    return ReportSection(
        "Subgroups",
        "CLAIM 2024: subgroup performance. TRIPOD+AI: 14 (fairness), 23a (performance in subgroups)",
        (f"AUC of '{name}'; groups of fewer than {FEW} images say little.",),
        (ReportTable(("by", "group", "normal + abnormal", "AUC", ""), lines),),
    )


def readers_section(project: Project) -> ReportSection:
    """Who decided on how many images, and how second readers agree."""
    with project.session() as session:
        sessions = blind_readings.sessions(session)
        by_reader = decisions.images_by_reader(session)
    lines = []
    for row in sessions:
        found = agreement(project, row.id)
        kappa = found.kappa
        lines.append(
            (
                f"{found.first}, {found.second}",
                f"{found.read} of {found.images}",
                f"{found.same}",
                kappa.text(),
            )
        )
    decided = ", ".join(f"{reader} {count}" for reader, count in sorted(by_reader.items()))
    table = ReportTable(("readers", "read", "the same", "Cohen's κ (95 %)"), tuple(lines))
    return ReportSection(
        "Readers",
        "CLAIM 2024: reference standard, annotators. TRIPOD+AI: 8 (outcome)",
        (f"Unlabeled images decided on, by reader: {decided or 'none'}.",),
        (table,) if lines else (),
    )


def limits_section(evaluation: RunEvaluation) -> ReportSection:
    """What these figures cannot tell."""
    lines: Sequence[str] = (
        f"All figures are of {evaluation.images_are} of this project; of images of another "
        f"hospital, device or time they say nothing.",
        "Unlabeled images decide what the score of normal against unlabeled learns; the section on "
        "shortcuts says which differences other than disease were looked for, and not that there are no "
        "others.",
        f"{evaluation.intervals} No test here was adjusted for looking more than once.",
        "This report was written by a program; who signs it is answerable for what it is used for.",
    )
    return ReportSection(
        "Limits",
        "CLAIM 2024: limitations. TRIPOD+AI: 26 (limitations), 27 (usability)",
        tuple(lines),
    )
