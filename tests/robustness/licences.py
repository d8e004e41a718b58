"""The licences of all that an installation brings along: none may be the GPL alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from tests.robustness.self_test_result import SelfTestResult

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_GPL = re.compile(r"\bA?GPL|GNU (AFFERO )?GENERAL PUBLIC", re.IGNORECASE)
_LGPL = re.compile(r"LGPL|LESSER", re.IGNORECASE)


def licences_test(distribution: str = "amae") -> SelfTestResult:
    """Look at every package that the installation needs, and at what those need."""
    packages = sorted(_needed(distribution, set()), key=lambda each: each.name.lower())
    failures = [
        f"{each.name} {each.version}: {licence_of(each)}"
        for each in packages
        if is_gpl_alone(licence_of(each))
    ]
    unknown = [f"{each.name} {each.version} states no licence" for each in packages
               if not licence_of(each)]  # fmt: skip
    known = len(packages) - len(unknown)
    good = known - len(failures)
    return SelfTestResult("licences", "packages", known, good, tuple(failures), tuple(unknown))


def is_gpl_alone(licence: str) -> bool:
    """Whether a licence is the GPL or AGPL, without another to choose; the LGPL is allowed."""
    choices = re.split(r"\bOR\b", licence)
    return all(_GPL.search(_LGPL.sub("", choice)) is not None for choice in choices)


def licence_of(package: metadata.Distribution) -> str:
    """What a package states: its expression, else its classifiers, else its text's first line."""
    facts = package.metadata
    expression = " ".join(facts.get_all("License-Expression") or [])
    stated = [text.rpartition("::")[2].strip() for text in facts.get_all("Classifier") or []
              if text.startswith("License ::")]  # fmt: skip
    text = "\n".join(facts.get_all("License") or [])
    first = (text.strip().splitlines() or [""])[0]
    files = ", ".join(facts.get_all("License-File") or [])
    return expression or " and ".join(stated) or first or files


def _needed(name: str, seen: set[str]) -> Iterator[metadata.Distribution]:
    """A package and all that it needs here; extras that nobody asked for are left out."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    seen.add(key)
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return  # of another system, by its marker
    yield package
    for needed in package.requires or []:
        found = _NAME.match(needed)
        if found is not None and "extra ==" not in needed:
            yield from _needed(found.group(), seen)
