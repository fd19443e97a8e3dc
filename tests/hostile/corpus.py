"""All cases: those of each family, a file in `families`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.hostile.case import Case

FAMILIES = Path(__file__).parent / "families"
EVERY = 12  # of so many cases of a family one belongs to the sample


@cache
def families() -> dict[str, tuple[Case, ...]]:
    """The cases by the name of their family. Names are unique in a family."""
    found = {}
    for file in sorted(FAMILIES.glob("[!_]*.py")):
        cases = tuple(importlib.import_module(f"tests.hostile.families.{file.stem}").cases())
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), f"{file.stem}: {sorted({n for n in names if names.count(n) > 1})}"
        found[file.stem] = cases
    return found


def all_cases() -> Iterator[tuple[str, Case, bool]]:
    """Family, case, and whether it belongs to the sample."""
    for family, cases in families().items():
        for number, case in enumerate(cases):
            yield family, case, number % EVERY == 0
