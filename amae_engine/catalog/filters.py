"""The readers' filter language: "split:test view:PA pneumonia" → a where-clause."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true

from amae_engine.catalog.tables import Image
from amae_engine.errors import BadInput

_TRUTHS = {"normal": 0, "abnormal": 1, "0": 0, "1": 1}


def where_clause(text: str) -> ColumnElement[bool]:
    """Translate a filter text; words without a key search the number and the source.

    Raises:
        BadInput: A key or a value is unknown; the message lists what exists.
    """
    clauses: list[ColumnElement[bool]] = [Image.removed_at.is_(None)]
    for word in text.split():
        key, colon, value = word.partition(":")
        if not colon:
            clauses.append(or_(_name(word), Image.source.in_(_sources(f"%{word}%"))))
        elif key in _KEYS:
            clauses.append(_KEYS[key](value))
        else:
            raise BadInput(f"Unknown filter '{key}:'; known are {', '.join(_KEYS)}.")
    return and_(true(), *clauses)


def _split(value: str) -> ColumnElement[bool]:
    return Image.split == value.lower()


def _truth(value: str) -> ColumnElement[bool]:
    if value.lower() == "unknown":
        return Image.truth.is_(None)
    if value.lower() not in _TRUTHS:
        raise BadInput(f"truth must be normal, abnormal or unknown; it is '{value}'.")
    return Image.truth == _TRUTHS[value.lower()]


def _source(value: str) -> ColumnElement[bool]:
    return Image.source.in_(_sources(f"{value}%"))


def _sources(pattern: str) -> Select[tuple[str]]:
    """The few source labels that match; every step jumps to the next label in the index."""
    first = select(func.min(Image.source).label("label")).where(Image.removed_at.is_(None))
    labels = first.cte("labels", recursive=True)
    after = (
        select(func.min(Image.source))
        .where(Image.removed_at.is_(None), Image.source > labels.c.label)
        .scalar_subquery()
    )
    labels = labels.union_all(select(after).where(labels.c.label.is_not(None)))
    return select(labels.c.label).where(labels.c.label.ilike(pattern))


def _view(value: str) -> ColumnElement[bool]:
    return Image.view == value.upper()


def _name(value: str) -> ColumnElement[bool]:
    """An image's number: "12", "CXR-12" and "CXR-00012" are the same image."""
    number = re.fullmatch(r"(?:cxr-?)?0*([0-9]{1,9})", value.lower())
    return Image.id == int(number.group(1)) if number else false()


def _patient(value: str) -> ColumnElement[bool]:
    number = value.upper().lstrip("P")
    if not number.isdigit():
        raise BadInput(f"patient must be a number such as P12; it is '{value}'.")
    return Image.patient_id == int(number)


def _flag(value: str) -> ColumnElement[bool]:
    return and_(Image.flags != "", Image.flags.contains(value))


_KEYS: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "split": _split,
    "truth": _truth,
    "source": _source,
    "view": _view,
    "name": _name,
    "patient": _patient,
    "flag": _flag,
}
