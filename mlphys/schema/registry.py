"""A folder is a registry, a file in it is an entry."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names(package: str) -> list[str]:
    """The entries of a package, in alphabetical order, without importing them."""
    folder = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(folder))


def entry(package: str, name: str) -> ModuleType:
    """The entry called `name`; `names` lists what there is."""
    return importlib.import_module(f"{package}.{name}")
