"""A setting is one field of a config: its default is the paper's value, and its facts stand with it.

The window's panel, the checks, the presets, `--paper` and the document of settings are made from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from amae_engine.errors import BadSetting

_KEY = "setting"
_UNSET = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a setting.

    Attributes:
        label: In the window; "" where it is not set there.
        why: What it does, without a full stop.
        low, high: Its range, both inside.
        is_open: Whether `low` and `high` are themselves outside.
        symbol: The paper's, such as "K".
        unit: Of a number.
        decimals: That the window shows.
        texts: What a choice is called in the window, in its order; () for its values.
        paper: The paper's value where the default is another one.
        is_method: Whether it is a choice of the method, which `--paper` sets; else network or schedule.
        is_shared: Whether every step has it, and the window one field for all.
        presets: The value of each preset that has another one than the default; "ours" stands for all
            but the paper's.
        of_step: Labels, whys and fields shown of a config inside this one.
    """

    label: str = ""
    why: str = ""
    low: float = -math.inf
    high: float = math.inf
    is_open: tuple[bool, bool] = (False, False)
    symbol: str = ""
    unit: str = ""
    decimals: int = 0
    texts: Mapping[Any, str] = dataclasses.field(default_factory=dict)
    paper: Any = _UNSET
    is_method: bool = False
    is_shared: bool = False
    presets: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    whys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hides: tuple[str, ...] = ()

    @property
    def has_paper(self) -> bool:
        """Whether the paper has another value than the default."""
        return self.paper is not _UNSET

    @property
    def range(self) -> str:
        """Its range in words: "lie in [0, 1)", "be at least 1", "be above 0"; "" for any number."""
        open_low, open_high = self.is_open
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        if math.isinf(self.high):
            return f"be {'above' if open_low else 'at least'} {self.low:g}"
        if math.isinf(self.low):
            return f"be {'below' if open_high else 'at most'} {self.high:g}"
        return f"lie in {'([)'[not open_low]}{self.low:g}, {self.high:g}{'])'[open_high]}"

    def require(self, name: str, value: Any) -> None:
        """Refuse a value outside the range.

        Raises:
            BadSetting: The message says what is right.
        """
        if not self.range:
            return
        too_low = value < self.low or (self.is_open[0] and value == self.low)
        too_high = value > self.high or (self.is_open[1] and value == self.high)
        if too_low or too_high or math.isnan(value):
            symbol = f" ({self.symbol})" if self.symbol else ""
            raise BadSetting(f"{name}{symbol} must {self.range}; it is {value}.")


def setting(
    default: Any = MISSING, *, factory: Callable[[], Any] | None = None, **facts: Any
) -> Any:
    """A dataclass field with the facts of a setting; see `Setting`."""
    metadata = {_KEY: Setting(**facts)}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def facts_of(field: dataclasses.Field[Any]) -> Setting:
    """What is known of a config's field."""
    found: Setting = field.metadata.get(_KEY, NO_FACTS)
    return found


NO_FACTS = Setting()
