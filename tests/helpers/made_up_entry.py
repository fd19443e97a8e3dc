"""The command with one more file in the folder of a registry, or one more class in a file that is one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import weakref
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
# One process runs all commands of a test: starting one takes longer than most commands.
COMMAND_LOOP = """
import json, os, sys
from click.testing import CliRunner
from mlphys.cli import main

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    folder, arguments = json.loads(line)
    os.chdir(folder)
    result = CliRunner().invoke(main, arguments)
    print(json.dumps([result.exit_code, result.output, repr(result.exception)]), file=answers, flush=True)
"""


def mlphys_with(package: str, name: str, source: str, folder: Path) -> Callable[..., str]:
    """A function that calls `mlphys` in another process, as if `source` were the package's file `name`.py.

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
    program = [f"files = {changed}", IN_PLACE_OF, *program, COMMAND_LOOP]
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def mlphys(*arguments: str, code: int = 0) -> str:
        assert process.stdin
        assert process.stdout
        print(json.dumps([os.getcwd(), arguments]), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        assert answer, "the process ended"
        found, printed, error = json.loads(answer)
        assert found == code, printed + error
        return printed

    weakref.finalize(mlphys, _end, process)
    return mlphys


def _end(process: subprocess.Popen[str]) -> None:
    """The end of its input ends it; one that is stuck is killed."""
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _with_class(module: str, source: str) -> str:
    """The text of a module with one more class in front of its table."""
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    before, table, after = Path(spec.origin).read_text().rpartition(" = registry.classes(__name__")
    if not table:  # one of a package's files
        return f"{after}\n\n{source}"
    lines, _, name = before.rpartition("\n")
    return f"{lines}\n\n{source}\n\n{name}{table}{after}"
