"""What a model says: of itself, and of an image's scores."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from amae_engine.catalog.image_facts import RECORDED
from amae_engine.config import ScoreKind
from amae_engine.evaluation.calibration import Logistic
from amae_engine.evaluation.measured import Measured
from amae_engine.images.decoded_image import UNCLEAR_HEADER
from amae_engine.images.plausibility import NOT_FRONTAL_CHEST
from amae_engine.jobs.model_files.model_facts import INTENDED
from amae_engine.jobs.model_files.read_model import Model

_FACT_NAMES = {attribute: name for name, attribute in RECORDED.items()}
_READ_BY = ("percentile", "probability", "call")


def remarks_on(
    model: Model, flags: Container[str], fact_of: Callable[[str], str], stratum: int | None
) -> tuple[str, ...]:
    """What a reader of an image's scores should know: it is not like the images that were learnt.

    Args:
        model: The model.
        flags: Of the image.
        fact_of: Its facts, by `INTENDED`; "" for one that is unknown.
        stratum: −1 without one; None where nothing is compared within any.
    """
    found = ["it looks unlike a frontal chest image"] if NOT_FRONTAL_CHEST in flags else []
    if UNCLEAR_HEADER in flags:
        found.append("its header does not say clearly that it shows a chest")
    for fact in INTENDED:
        known, value = model.facts["intended"].get(fact, []), fact_of(fact)
        if known and value and value not in known:
            name = fact_name(fact)
            found.append(f"{name} {value}; the model learnt from {name} {', '.join(known)}")
    if stratum is not None and stratum < 0:
        found.append("the fact by which the model compares images is unknown")
    return tuple(found)


def fact_name(attribute: str) -> str:
    """What readers call a fact of an image."""
    return _FACT_NAMES.get(attribute, attribute.replace("_", " "))


def columns(model: Model) -> tuple[str, ...]:
    """The table's columns."""
    return ("file", "status", "reason", *_READ_BY, *map(str, model.kinds))


def read_by(model: Model, value: float) -> dict[str, str]:
    """What the leading score of an image says: percentile, probability, call; "" without a basis."""
    facts, kind = model.facts, model.leading
    found = dict.fromkeys(_READ_BY, "")
    if among := facts["percentiles"].get(kind):
        share = np.interp(value, among["scores"], among["shares"])
        ends = among["scores"][0], among["scores"][-1]
        mark = "<" if value < ends[0] else ">" if value > ends[1] else ""
        found["percentile"] = f"{mark}{share:.1f}"
    if fitted := facts["calibration"].get(kind):
        logistic = Logistic(*(fitted[name] for name in ("slope", "offset", "centre", "width")))
        found["probability"] = f"{float(logistic(np.array([value]))[0]):.4f}"
    if point := _locked(model):
        found["call"] = "abnormal" if value >= point["threshold"] else "normal"
    return found


def _locked(model: Model) -> Mapping[str, Any]:
    """The locked operating point of the leading score; {} without one."""
    points = [point for point in model.facts["locked"] if point["kind"] == model.leading]
    return points[0] if points else {}


def about(model: Model) -> list[str]:
    """What a model says of its scores, in lines."""
    facts, kind = model.facts, model.leading
    lines = [
        f"model: {model.title}, written by AMAE {facts['made_by'].get('amae', '')}",
        f"larger scores are more abnormal; leading score: {kind.label}, column {kind}: "
        f"{facts['leading']['why']}",
    ]
    measured = facts["measured"]
    lines += [measured["why_not"]] if measured["why_not"] else [f"measured on {measured['on']}"]
    for each in measured["scores"]:
        auc, name = Measured.of(each["auc"]).text(), ScoreKind(each["score"]).label
        lines.append(f"{name}: AUC {auc} on {each['images']}")
    if among := facts["percentiles"].get(kind):
        lines.append(
            f"percentile: among {among['images']} normal images that its model did not learn from"
        )
    if fitted := facts["calibration"].get(kind):
        lines.append(f"probability: calibrated on {fitted['on']}")
    if point := _locked(model):
        lines.append(
            f"call: abnormal from {point['threshold']:.6g}, chosen on {point['chosen_on']}"
        )
    lines.append(f"confounders: {facts['confounders']['found']}")
    lines += [f"encoder: {text}" for text in facts["encoders"]]
    return lines
