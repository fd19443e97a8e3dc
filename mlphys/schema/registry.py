"""A folder is a registry, a file in it is an entry; a name that begins with an underscore is a helper's."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def names(package: str) -> list[str]:
    """The entries of a package, in alphabetical order, without importing them."""
    folder = importlib.import_module(package).__path__
    modules = pkgutil.iter_modules(folder)
    return sorted(module.name for module in modules if not module.ispkg and not module.name.startswith("_"))


def entries(package: str, base: type[T]) -> dict[str, type[T]]:
    """The entries of a package by name: of each file the one public class of its own that is a `base`."""
    found = {}
    for name in names(package):
        module = importlib.import_module(f"{package}.{name}")
        own = [
            value
            for key, value in vars(module).items()
            if not key.startswith("_")
            and isinstance(value, type)
            and issubclass(value, base)
            and value.__module__ == module.__name__
        ]
        if len(own) != 1:
            have = ", ".join(kind.__name__ for kind in own) or "none"
            raise TypeError(f"{module.__file__}: expected one public {base.__name__}; received {have}")
        found[name] = own[0]
    return found


def entry(package: str, name: str) -> ModuleType:
    """The entry called `name`; `names` lists what there is."""
    return importlib.import_module(f"{package}.{name}")
