"""What every config is: a frozen dataclass, JSON in and out, an unknown key is an error."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import PureWindowsPath
from typing import Any, Self, cast, get_args, get_origin, get_type_hints

from amae_engine.config.setting import facts_of
from amae_engine.errors import BadSetting


@dataclass(frozen=True, slots=True)
class JsonConfig:
    """JSON in and out for every config; an unknown key, or a number outside its range, is an error."""

    def __post_init__(self) -> None:
        hints = _hints(cast("Any", type(self)))
        for each in dataclasses.fields(self):
            name, given = each.name, getattr(self, each.name)
            value = _as_type(hints[name], given, f"{type(self).__name__}.{name}")
            if value is not given:
                object.__setattr__(self, name, value)
            facts_of(each).require(name, value)
        self._require()

    def _require(self) -> None:
        """Refuse what the range of a single setting does not.

        Raises:
            BadSetting: The message says what is wrong and what is right.
        """

    def to_dict(self) -> dict[str, Any]:
        """This config as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a config from JSON values.

        Raises:
            BadSetting: A key is unknown or a value cannot be what the key needs.
        """
        cls._require_known(values)
        return cls(**values)

    @classmethod
    def _require_known(cls, values: Mapping[str, Any]) -> None:
        known = [f.name for f in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise BadSetting(
                    f"{cls.__name__}: unknown setting '{key}'; known settings are {', '.join(known)}."
                )

    def to_json(self) -> str:
        """This config as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed; unknown names are errors."""
        self._require_known(changes)
        return dataclasses.replace(self, **changes)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with settings changed by their paths: {"training.epochs": 3}; all at once.

        Raises:
            BadSetting: A path is unknown, or a value is not what it must be.
        """
        own: dict[str, Any] = {}
        inner: dict[str, dict[str, Any]] = {}
        for path, value in changes.items():
            name, _, rest = path.partition(".")
            if rest and isinstance(getattr(self, name, None), JsonConfig):
                inner.setdefault(name, {})[rest] = value
            else:
                own[path] = value
        for name, values in inner.items():
            own[name] = getattr(self, name).changed(values)
        return self.replace(**own)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _as_type(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return kind.from_dict(value)  # type: ignore[union-attr]
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(_as_type(get_args(kind)[0], item, name) for item in value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(value)
        except ValueError:
            allowed = ", ".join(member.value for member in kind)
            raise BadSetting(f"{name} must be one of {allowed}; it is {value!r}.") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    allowed_types = get_args(kind) or (kind,)
    if not isinstance(value, allowed_types) or (
        isinstance(value, bool) and bool not in allowed_types
    ):
        wanted = " or ".join(t.__name__ for t in allowed_types)
        raise BadSetting(f"{name} must be {wanted}; it is {value!r}.")
    return value


def require(condition: bool, message: str) -> None:
    """Refuse a setting.

    Raises:
        BadSetting: The condition does not hold; the message says what is wrong and what is right.
    """
    if not condition:
        raise BadSetting(message)


def without_paths(value: Any) -> Any:
    """Settings whose files are named without their folders, which can name somebody."""
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, str) and ("/" in value or "\\" in value):
        head, equals, file = value.rpartition("=")
        return head + equals + PureWindowsPath(file).name
    return value
