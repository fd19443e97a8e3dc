"""Run the command line with an additional file in a registry's folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def mlphys_with(package: str, name: str, source: str, folder: Path) -> Callable[..., str]:
    """A function that runs `mlphys` in a new process with `source` as the package's file `name`.py.

    It returns the output, errors included, and asserts the exit code.
    """
    folder.mkdir()
    (folder / f"{name}.py").write_text(source)
    program = f"import {package}; {package}.__path__.append({str(folder)!r}); from mlphys.cli import main; main()"

    def mlphys(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return mlphys
