"""Write a run's scores, curves and example images into the project's exports folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amae_engine.atomic_write import write_text
from amae_engine.catalog import image_keys, studies
from amae_engine.catalog.audit import audit
from amae_engine.config import ScoreKind
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation, ScoreEvaluation
from amae_engine.project import Project
from amae_engine.reports.figures import ImagePanel, NamedCurve, write_curves, write_image_panels
from amae_engine.reports.table import (
    ResultLine,
    ScoreTable,
    text_table,
    write_csv,
    write_scores_csv,
    write_scores_parquet,
)
from amae_engine.runs.map_files import MEANS, load_image_maps

_PANELS = 6
_MEANS = {MEANS[0]: "module A (normal)", MEANS[1]: "module B (abnormal)"}


def result_lines(evaluation: RunEvaluation) -> list[ResultLine]:
    """The result table's lines, one a score."""
    return [
        ResultLine(
            evaluation.label(score.kind),
            evaluation.origin(score.kind),
            score.images,
            score.auc,
            score.ap,
        )
        for score in evaluation.scores
    ]


def result_text(evaluation: RunEvaluation) -> str:
    """The result table for a terminal."""
    table = text_table(result_lines(evaluation), evaluation.measured_on, evaluation.intervals)
    leading = evaluation.leading
    lines = [f"Leading score: {leading.kind.label}: {leading.reason}."] if leading else []
    return "\n".join((table, *lines, *evaluation.learned))


def export_results(project: Project, evaluation: RunEvaluation, reader: str = "") -> list[Path]:
    """Write scores (CSV, Parquet), result table (text), curves and example images (PNG, SVG).

    Args:
        project: Where the run is.
        evaluation: Of the run.
        reader: Who exports, for the audit.

    Returns:
        The files written, in `exports/run-NNN/`.
    """
    project.require_writable()
    folder = project.exports_folder / f"run-{evaluation.run_id:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    table, scores_csv = folder / "results.txt", folder / "scores.csv"
    write_text(table, result_text(evaluation) + "\n")
    columns = {str(score.kind): _of_all(evaluation, score) for score in evaluation.scores}
    about = f"Scores of {evaluation.measured_on}; larger is more abnormal"
    facts = _facts(project, evaluation)
    scored = ScoreTable(evaluation.names, evaluation.truth.tolist(), facts, columns, about)
    scores_parquet = folder / "scores.parquet"
    write_scores_csv(scores_csv, scored)
    write_scores_parquet(scores_parquet, scored)
    dictionary = folder / "scores-dictionary.csv"
    write_csv(dictionary, (("column", "in the report", "meaning"), *_dictionary(evaluation)))
    written = [table, scores_csv, scores_parquet, dictionary]
    written += [write_run_curves(evaluation, folder / f"curves.{kind}") for kind in ("png", "svg")]
    written += _export_images(project, evaluation, folder)
    with project.session() as session:
        audit(session, reader, "export", f"results of run {evaluation.run_id}")
    return written


def _facts(project: Project, evaluation: RunEvaluation) -> dict[str, list[str]]:
    """What is known of each judged image, without a name of a person or file."""
    ids = evaluation.image_ids.tolist()
    with project.session() as session:
        rows = studies.rows(session, ids)
        hashes = {key.image_id: key.pixel_hash for key in image_keys.of_images(session, ids)}
    return {
        "patient": [f"P{row.patient_id:05d}" if row.patient_known else "" for row in rows],
        "file_key": [hashes[row.id] for row in rows],
        "split": ["validation" if row.is_validation else str(row.split) for row in rows],
        "view": [row.view for row in rows],
        "sex": [row.sex for row in rows],
        "age_band": [row.age_band for row in rows],
    }


_MEANINGS = (
    ("image", "image", "the image's name in this project"),
    ("truth", "truth", "1 abnormal, 0 normal"),
    (
        "patient",
        "patient",
        "the patient's number in this project; empty where nobody says who it is",
    ),
    ("file_key", "", "a hash of the original's pixels, keyed by this project: no file's name"),
    ("split", "", "test: tested on; validation: thresholds were chosen by it"),
    ("view", "view", "as recorded: PA, AP, …"),
    ("sex", "sex", "as recorded"),
    ("age_band", "age", "years, in bands"),
)


def _dictionary(evaluation: RunEvaluation) -> list[tuple[str, str, str]]:
    """Each column of the table of scores: its name in the report, and what it says."""
    larger = "larger is more abnormal; in units of its own, no probability"
    scores = [
        (
            str(s.kind),
            evaluation.label(s.kind),
            f"{s.kind.help} ({evaluation.origin(s.kind)}); {larger}",
        )
        for s in evaluation.scores
    ]
    return [*_MEANINGS, *scores]


def write_run_curves(evaluation: RunEvaluation, path: Path) -> Path:
    """ROC and precision-recall curves of every score; the suffix gives the format."""
    roc = [NamedCurve(_legend(evaluation, s, "AUC"), s.roc.x, s.roc.y) for s in evaluation.scores]
    pr = [NamedCurve(_legend(evaluation, s, "AP"), s.pr.x, s.pr.y) for s in evaluation.scores]
    write_curves(path, roc, pr, evaluation.measured_on)
    return path


def _legend(evaluation: RunEvaluation, score: ScoreEvaluation, measure: str) -> str:
    name, area = evaluation.label(score.kind), score.area(measure == "AP").text(3)
    return f"{name} [{evaluation.origin(score.kind)}] {measure} {area}"


def _of_all(evaluation: RunEvaluation, score: ScoreEvaluation) -> list[float]:
    """A score of every image of the run; NaN where an image has none."""
    values = np.full(len(evaluation.image_ids), np.nan)
    values[np.searchsorted(evaluation.image_ids, score.image_ids)] = score.values
    return list(values.tolist())


def _export_images(project: Project, evaluation: RunEvaluation, folder: Path) -> list[Path]:
    """The images with the highest and the lowest leading score, each with its maps."""
    shown = shown_score(evaluation)
    if shown is None:
        return []
    order = np.argsort(-shown.values)
    chosen = dict.fromkeys([*order[: _PANELS // 2].tolist(), *order[-(_PANELS // 2) :].tolist()])
    path = folder / "images.png"
    about = f"Highest and lowest {evaluation.label(shown.kind)}, run {evaluation.run_id}"
    write_image_panels(path, image_panels(project, evaluation, shown, list(chosen)), about)
    return [path]


def shown_score(evaluation: RunEvaluation) -> ScoreEvaluation | None:
    """The score whose images are shown: the leading one, else A_inter."""
    leading = evaluation.leading.kind if evaluation.leading else ScoreKind.DISCREPANCY
    return evaluation.score(leading) or evaluation.score(ScoreKind.DISCREPANCY)


def image_panels(
    project: Project, evaluation: RunEvaluation, shown: ScoreEvaluation, places: Sequence[int]
) -> list[ImagePanel]:
    """Images with their maps, by their places in a score; those without maps are left out."""
    panels = []
    for place in places:
        image_id = int(shown.image_ids[place])
        found = load_image_maps(project, evaluation.run_id, image_id)
        if found is None:
            continue
        truth = "abnormal" if shown.truth[place] else "normal"
        image, aspect = _image(project, image_id)
        panels.append(
            ImagePanel(
                f"{shown.names[place]}, {truth}, {shown.values[place]:.3f}",
                image,
                {
                    evaluation.label(kind): values / found.scale[kind]
                    for kind in dict.fromkeys((shown.kind, *found.scored))
                    if (values := found.of_score(kind)) is not None
                },
                {name: found.maps[key] for key, name in _MEANS.items() if key in found.maps},
                aspect,
            )
        )
    return panels


def _image(project: Project, image_id: int) -> tuple[np.ndarray, float]:
    """The stored image in 0…1, and the aspect of its original."""
    from amae_engine.catalog import studies

    with project.session() as session:
        row = studies.rows(session, [image_id])[0]
    image = project.pixels.read(np.array([row.store_row]))[0]
    return image.astype(np.float32) / 255, row.aspect
