"""Registries: a folder is a registry and a file in it an entry, unless its name begins with an underscore.

A file, or all files of a folder, can be a registry of their classes.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from typing import Any, TypeVar

Base = TypeVar("Base")


def names(package: str) -> list[str]:
    """The entries of a package, in alphabetical order, without importing them."""
    folder = importlib.import_module(package).__path__
    modules = pkgutil.iter_modules(folder)
    return sorted(module.name for module in modules if not module.ispkg and not module.name.startswith("_"))


def entry(package: str, name: str, base: type[Base]) -> type[Base]:
    """The entry called `name`, which `names` lists: the one public class in its file that is a `base`.

    Raises TypeError for a file that has no such class, or several.
    """
    module = importlib.import_module(f"{package}.{name}")
    found = [
        thing
        for key, thing in vars(module).items()
        if isinstance(thing, type)
        and issubclass(thing, base)
        and thing.__module__ == module.__name__
        and not key.startswith("_")
        and key.isidentifier()  # pydantic keeps parametrized classes beside it, such as ModelKind[Network]
    ]
    if len(found) != 1:
        there = " and ".join(thing.__name__ for thing in found) or "none"
        raise TypeError(f"{module.__file__}: an entry is one public class that is a {base.__name__}; there is {there}")
    return found[0]


def content(package: str, name: str, key: str) -> Any:
    """What the file of the entry `name` calls `key`, for entries that are no classes."""
    return getattr(importlib.import_module(f"{package}.{name}"), key)


def entries(package: str, base: type[Base]) -> dict[str, type[Base]]:
    """All entries of a package by name, in alphabetical order."""
    return {name: entry(package, name, base) for name in names(package)}


def classes(module: str, base: type[Base]) -> dict[str, type[Base]]:
    """The public classes of a file that are derived from `base` and complete, by name, in the order of the file.

    Called at the end of that file. A class with an abstract method is a base class and no entry.
    """
    return {
        key: thing
        for key, thing in vars(sys.modules[module]).items()
        if isinstance(thing, type)
        and issubclass(thing, base)
        and thing is not base
        and thing.__module__ == module
        and not (key.startswith("_") or inspect.isabstract(thing))
    }


def classes_in(package: str, base: type[Base]) -> dict[str, type[Base]]:
    """The same of all files of a package, in alphabetical order of the files. Called in the package itself."""
    found: dict[str, type[Base]] = {}
    for name in names(package):
        module = f"{package}.{name}"
        importlib.import_module(module)
        found |= classes(module, base)
    return found
