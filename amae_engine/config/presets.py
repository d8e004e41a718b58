"""Each step's settings for a preset, every choice as in the paper, and what the window shows of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

from amae_engine.config.json_config import JsonConfig
from amae_engine.config.networks import require_preset
from amae_engine.config.setting import NO_FACTS, Setting, facts_of
from amae_engine.config.steps import PretrainConfig, ScoreConfig, Stage1Config, Stage2Config

Config = TypeVar("Config", bound=JsonConfig)
STEPS: Mapping[str, type[JsonConfig]] = {
    "pretrain": PretrainConfig,
    "stage1": Stage1Config,
    "stage2": Stage2Config,
    "score": ScoreConfig,
}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting with its place.

    Attributes:
        step: "pretrain", "stage1", "stage2" or "score".
        path: In its config: "training.epochs".
        label: In the window; "" where it is not set there.
        default: The default, which is the paper's value unless the facts say another.
    """

    step: str
    path: str
    label: str
    why: str
    default: Any
    facts: Setting

    @property
    def paper(self) -> Any:
        """The paper's value."""
        return self.facts.paper if self.facts.has_paper else self.default

    def value_in(self, config: JsonConfig) -> Any:
        """Its value in a config of its step."""
        return reduce(getattr, self.path.split("."), config)


def rows_of(
    step: str, config: JsonConfig, before: str = "", outer: Setting = NO_FACTS
) -> Iterator[SettingRow]:
    """Every setting of a step, in the order of its config.

    Args:
        step: Its name.
        config: With the defaults.
        before: The path of a config inside it.
        outer: The facts of that one.
    """
    for each in dataclasses.fields(config):
        facts, value = facts_of(each), getattr(config, each.name)
        if isinstance(value, JsonConfig):
            yield from rows_of(step, value, f"{before}{each.name}.", facts)
            continue
        label = "" if each.name in outer.hides else facts.label
        if label and outer.label and not facts.is_shared and each.name != "source":
            label = f"{label}, {outer.label}"
        why = outer.whys.get(each.name, facts.why)
        yield SettingRow(step, before + each.name, label, why, value, facts)


def pixel_preset(name: str) -> str:
    """The preset whose pixel modules a preset has: `foundation` has those of `compact`."""
    return "compact" if name == "foundation" else name


def of_preset(kind: type[Config], name: str) -> Config:
    """A step's settings for a preset.

    Raises:
        BadSetting: There is no such preset.
    """
    network, config = require_preset(name), kind()
    changes = _of_preset(config, name)
    if isinstance(config, PretrainConfig):
        changes["model"] = network
    if isinstance(config, Stage1Config):
        changes["preset"] = name
    return config.replace(**changes)


def _of_preset(config: JsonConfig, name: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for each in dataclasses.fields(config):
        presets, value = facts_of(each).presets, getattr(config, each.name)
        ours = {} if name == "paper" else presets
        if name in presets or "ours" in ours:
            changes[each.name] = presets.get(name, presets.get("ours"))
        elif isinstance(value, JsonConfig):
            changes[each.name] = value.replace(**_of_preset(value, name))
    return changes


def as_in_the_paper(config: Config) -> Config:
    """Every choice of the method as in the paper; networks and schedules stay."""
    papers = {}
    default = type(config)()
    for each in dataclasses.fields(config):
        facts = facts_of(each)
        if facts.is_method:
            papers[each.name] = facts.paper if facts.has_paper else getattr(default, each.name)
    return config.replace(**papers)
