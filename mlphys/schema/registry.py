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
    entries = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not key.startswith("_")
        and key.isidentifier()  # pydantic keeps parametrized classes beside it, such as ModelKind[Network]
    ]
    if len(entries) != 1:
        class_names = " and ".join(value.__name__ for value in entries) or "none"
        raise TypeError(
            f"{module.__file__}: an entry is one public class that is a {base.__name__}; there is {class_names}"
        )
    return entries[0]


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
        key: value
        for key, value in vars(sys.modules[module]).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and value.__module__ == module
        and not (key.startswith("_") or inspect.isabstract(value))
    }


def classes_in(package: str, base: type[Base]) -> dict[str, type[Base]]:
    """The same of all files of a package, in alphabetical order of the files. Called in the package itself."""
    by_name: dict[str, type[Base]] = {}
    for name in names(package):
        module = f"{package}.{name}"
        importlib.import_module(module)
        by_name |= classes(module, base)
    return by_name
