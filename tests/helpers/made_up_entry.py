"""The command with one more file in the folder of a registry, or one more class in a file that is one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

# Modules that are imported from another file than theirs.
IN_PLACE_OF = """
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_file_location(name, files[name]) if name in files else None

sys.meta_path.insert(0, Finder())
"""


def mlphys_with(package: str, name: str, source: str, folder: Path) -> Callable[..., str]:
    """A function that calls `mlphys` in a new process, as if `source` were the package's file `name`.py.

    It gives what the command prints, errors too, and asserts its exit code.
    """
    return mlphys_with_all({package: {name: source}}, {}, folder)


def mlphys_with_all(
    files: Mapping[str, Mapping[str, str]], classes: Mapping[str, str], folder: Path
) -> Callable[..., str]:
    """The same with several files in packages, and with classes in modules whose table is found at their end."""
    folder.mkdir()
    program = []
    for package, entries in files.items():
        place = folder / package
        place.mkdir()
        for name, source in entries.items():
            (place / f"{name}.py").write_text(source)
        program.append(f"import {package}; {package}.__path__.append({str(place)!r})")
    for module, source in classes.items():
        (folder / f"{module}.py").write_text(_with_class(module, source))
    changed = {module: str(folder / f"{module}.py") for module in classes}
    program = [f"files = {changed}", IN_PLACE_OF, *program, "from mlphys.cli import main; main()"]

    def mlphys(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([sys.executable, "-c", "\n".join(program), *arguments], capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return mlphys


def _with_class(module: str, source: str) -> str:
    """The text of a module with one more class in front of its table."""
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    before, table, after = Path(spec.origin).read_text().rpartition(" = registry.classes(__name__")
    lines, _, name = before.rpartition("\n")
    return f"{lines}\n\n{source}\n\n{name}{table}{after}"
