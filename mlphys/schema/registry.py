"""A folder is a registry, a file in it is an entry; a name that begins with an underscore is a helper's."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names(package: str) -> list[str]:
    """The entries of a package, in alphabetical order, without importing them."""
    folder = importlib.import_module(package).__path__
    modules = pkgutil.iter_modules(folder)
    return sorted(module.name for module in modules if not module.ispkg and not module.name.startswith("_"))


def entry(package: str, name: str) -> ModuleType:
    """The entry called `name`; `names` lists what there is."""
    return importlib.import_module(f"{package}.{name}")
