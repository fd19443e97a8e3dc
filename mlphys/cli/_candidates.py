"""What the shell offers at a tab: names that are found without importing what they name, which takes too long."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from mlphys.config.shipped import shipped, shipped_studies
from mlphys.schema import registry

Completer = Callable[[click.Context, click.Parameter, str], list[str]]

KEYS = Path(__file__).with_name("keys.txt")  # made by scripts/keys.py
MOST_FILES = 1000
CONFIGS = (".yaml", ".yml")
SAFE = re.compile(r"[\w.,/~=+:@%-]+")  # what a shell takes for one word, as it is written


def _offered(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete) and SAFE.fullmatch(name)]


def configs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """YAML files, the names of runs and of shipped configs."""
    known = [*_files(incomplete, CONFIGS), *_runs(incomplete), *shipped(), *shipped_studies()]
    return _offered(known, incomplete)


def shipped_configs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _offered([*shipped(), *shipped_studies()], incomplete)


def runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of runs, NAME and after a slash NAME/NUMBER, and folders."""
    return _offered([*_runs(incomplete), *_files(incomplete, ())], incomplete)


def entries(package: str, several: bool = False) -> Completer:
    """The entries of a registry; `several` are separated by commas."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return (
            _listed(registry.names(package), incomplete) if several else _offered(registry.names(package), incomplete)
        )

    return complete


def words(*names: str) -> Completer:
    """Some of these words, separated by commas."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return _listed(names, incomplete)

    return complete


def overrides(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The keys of a config, a part at a time, with an equals sign; behind it the values that have names."""
    key, equals, _ = incomplete.partition("=")
    if equals:
        return _offered((f"{key}={value}" for value in _keys().get(key, ())), incomplete)
    return _offered((_first_parts(name, incomplete, "=") for name in _keys()), incomplete)


def keys(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The keys of a config, a part at a time."""
    return _offered((_first_parts(name, incomplete, "") for name in _keys()), incomplete)


def blanks(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The same behind a comma."""
    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in keys(ctx, parameter, last)]


def _first_parts(name: str, incomplete: str, end: str) -> str:
    """A key up to the end of the part that is being written."""
    dot = name.find(".", len(incomplete)) if name.startswith(incomplete) else -1
    return name + end if dot < 0 else name[: dot + 1]


def _keys() -> dict[str, list[str]]:
    lines = KEYS.read_text().splitlines()
    return {key: values.split() for key, _, values in (line.partition(" ") for line in lines)}


def _listed(names: Iterable[str], incomplete: str) -> list[str]:
    done, comma, _ = incomplete.rpartition(",")
    used = done.split(",")
    return _offered((f"{done}{comma}{name}" for name in names if name not in used), incomplete)


def _runs(incomplete: str) -> Iterator[str]:
    """The names under runs/, and the runs of the one that is written."""
    name = incomplete.rpartition("/")[0]
    if not name:
        yield from (entry.name for entry in _scanned("runs") if _is_folder(entry) and not _is_hidden(entry.name))
    elif "/" not in name:
        yield from (f"{name}/{entry.name}" for entry in _scanned(os.path.join("runs", name)) if _is_folder(entry))


def _files(incomplete: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Folders, with a slash, and files with one of the endings."""
    folder = incomplete.rpartition("/")[0]
    before = incomplete[: len(incomplete) - len(incomplete.rpartition("/")[2])]
    for entry in _scanned(os.path.expanduser(folder or ("/" if before else "."))):
        if _is_hidden(entry.name) and not _is_hidden(incomplete.rpartition("/")[2]):
            continue
        if _is_folder(entry):
            yield f"{before}{entry.name}/"
        elif endings and entry.name.endswith(endings):
            yield f"{before}{entry.name}"


def _scanned(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            children = [entry for entry, _ in zip(entries, range(MOST_FILES), strict=False)]
    except OSError:
        return []
    return sorted(
        children, key=lambda entry: (len(entry.name), entry.name) if entry.name.isdecimal() else (0, entry.name)
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
