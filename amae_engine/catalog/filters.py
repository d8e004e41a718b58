"""The readers' filter language: "split:test view:PA pneumonia" → a where-clause."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.regions import RegionState
from amae_engine.catalog.tables import Image, ImageTag
from amae_engine.errors import BadInput

_NUMBER = re.compile(r"(?:cxr-?)?0*([0-9]{1,9})", re.IGNORECASE)
_PATIENT = re.compile(r"p?0*([0-9]{1,9})", re.IGNORECASE)
_MOST_WORDS = 100  # SQLite nests no deeper than a thousand
_TRUTHS = {"normal": 0, "abnormal": 1, "0": 0, "1": 1}


def where_clause(text: str, sources: Callable[[], Mapping[str, str]]) -> ColumnElement[bool]:
    """Translate a filter text; words without a key search the number and the source.

    Args:
        text: Keys with values and words, all of which must fit.
        sources: The few sources that the catalog has: what readers call each, by its code.

    Raises:
        BadInput: A key or a value is unknown, and the message lists what exists; or too many words.
    """
    words = text.split()
    if len(words) > _MOST_WORDS:
        raise BadInput(f"A filter has at most {_MOST_WORDS} words; this one has {len(words)}.")
    clauses: list[ColumnElement[bool]] = [Image.removed_at.is_(None)]
    for word in words:
        key, colon, value = word.partition(":")
        if not colon:
            found = Image.source.in_(_holding(word, sources()))
            clauses.append(or_(_name(word), found) if _NUMBER.fullmatch(word) else found)
        elif key == "source":
            clauses.append(Image.source.in_(_beginning(value, sources())))
        elif key in _KEYS:
            clauses.append(_KEYS[key](value))
        else:
            raise BadInput(f"Unknown filter '{key}:'; known are source, {', '.join(_KEYS)}.")
    return and_(true(), *clauses)


def keys_of(text: str) -> set[str]:
    """The keys that a filter text asks by."""
    return {word.partition(":")[0] for word in text.split() if ":" in word}


def _split(value: str) -> ColumnElement[bool]:
    if value.lower() == "validation":
        return Image.is_validation.is_(True)
    return Image.split == value.lower()


def _truth(value: str) -> ColumnElement[bool]:
    if value.lower() == "unknown":
        return Image.truth.is_(None)
    if value.lower() not in _TRUTHS:
        raise BadInput(f"truth must be normal, abnormal or unknown; it is '{value}'.")
    return Image.truth == _TRUTHS[value.lower()]


def _holding(word: str, sources: Mapping[str, str]) -> list[str]:
    return [code for code, label in sources.items() if word.lower() in label.lower()]


def _beginning(word: str, sources: Mapping[str, str]) -> list[str]:
    return [code for code, label in sources.items() if label.lower().startswith(word.lower())]


def _view(value: str) -> ColumnElement[bool]:
    return Image.view == value.upper()


def _name(value: str) -> ColumnElement[bool]:
    """An image's number: "12", "CXR-12" and "CXR-00012" are the same image."""
    number = _NUMBER.fullmatch(value)
    return Image.id == int(number.group(1)) if number else false()


def _patient(value: str) -> ColumnElement[bool]:
    number = _PATIENT.fullmatch(value)
    if not number:
        raise BadInput(f"patient must be a number such as P12; it is '{value}'.")
    return Image.patient_id == int(number.group(1))


def _flag(value: str) -> ColumnElement[bool]:
    return and_(Image.flags != "", Image.flags.contains(value))


def _tag(value: str) -> ColumnElement[bool]:
    return Image.id.in_(select(ImageTag.image_id).where(ImageTag.tag == value.lower()))


def _region(value: str) -> ColumnElement[bool]:
    """Images with a region that stands: any, or one of a state."""
    states = [str(state) for state in RegionState if state and state is not RegionState.NOTE]
    if value.lower() not in (*states, "any"):
        raise BadInput(f"region must be any, {' or '.join(states)}; it is '{value}'.")
    wanted = states if value.lower() == "any" else [value.lower()]
    return _with_regions(RegionAct.state.in_(wanted))


def _note(value: str) -> ColumnElement[bool]:
    """Images with a note, on them or on a region, that holds a word; "any" is any note."""
    held = RegionAct.note != ""
    if value.lower() != "any":
        held = RegionAct.note.icontains(value, autoescape=True)
    return _with_regions(and_(RegionAct.state != RegionState.GONE, held))


def _with_regions(which: ColumnElement[bool]) -> ColumnElement[bool]:
    newest = select(func.max(RegionAct.id)).group_by(RegionAct.region)
    return Image.id.in_(select(RegionAct.image_id).where(RegionAct.id.in_(newest), which))


_KEYS: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "split": _split,
    "truth": _truth,
    "view": _view,
    "name": _name,
    "patient": _patient,
    "flag": _flag,
    "tag": _tag,
    "region": _region,
    "note": _note,
}
