"""The settings as a document, made from their facts."""

from __future__ import annotations

from typing import Any

from amae_engine.config.json_config import JsonConfig
from amae_engine.config.networks import PRESETS
from amae_engine.config.peers import PeerConfig
from amae_engine.config.presets import STEPS, SettingRow, of_preset, rows_of

_TITLES = {
    "pretrain": "Pre-training: `amae pretrain`",
    "stage1": "Stage 1: `amae stage1`",
    "stage2": "Stage 2: `amae stage2`",
    "score": "Scoring: `amae score`",
    "peer": "Peers: `amae peer`",
}
_HEAD = """# Settings

Every setting of a step, as `--set NAME=VALUE`, `--config FILE` (JSON) and the window take it. This page is
made from the settings themselves: `python resources/docs/make_documents.py`. The paper's value is the
default; a preset is named where it has another one. `--paper` sets every choice of the method (†) as in
the paper and leaves networks and schedules.
"""


def settings_document() -> str:
    """Every setting of every step in Markdown."""
    parts = [_HEAD]
    for step, title in _TITLES.items():
        parts.append(
            f"## {title}\n\n| setting | paper | presets | range | what it does |\n|---|---|---|---|---|"
        )
        kind = STEPS.get(step, PeerConfig)
        others = {
            name: of_preset(kind, name) for name in PRESETS if step in STEPS and name != "paper"
        }
        parts[-1] += "".join(_line(row, others) for row in rows_of(step, kind())) + "\n"
    return "\n".join(parts)


def _line(row: SettingRow, others: dict[str, JsonConfig]) -> str:
    own = {name: row.value_in(config) for name, config in others.items()}
    presets = ", ".join(f"{name} {_text(v)}" for name, v in own.items() if v != row.default)
    mark = "†" if row.facts.is_method else ""
    paper = _text(row.paper) + (f" (default {_text(row.default)})" if row.facts.has_paper else "")
    limits = row.facts.range.removeprefix("lie in ").removeprefix("be ")
    limits = " ".join((limits, row.facts.unit)).strip()
    label = f" In the window: {row.label}." if row.label else ""
    return f"\n| `{row.path}`{mark} | {paper} | {presets} | {limits} | {row.why}.{label} |"


def _text(value: Any) -> str:
    if value in ("", ()):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
