"""Run the notebooks of docs/notebooks: `python -m scripts.notebooks [--write] [NAME...]`; --write keeps the outputs.

Each runs from its first cell to its last in an empty folder. A fault in a cell ends the script with its message.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "notebooks"
PATIENCE = 600  # seconds for a cell
COLOURS = r"\x1b\[[0-9;]*m"  # of a traceback


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def executed(path: Path) -> Any:
    """The notebook with the outputs that its cells have now. Raises nbclient's CellExecutionError for a fault."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MPLBACKEND", None)  # pictures belong into the cells
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=place, record_timing=False)
        client.execute(env=environment)
    return tidied(notebook)


def tidied(notebook: Any) -> Any:
    """Without what differs from machine to machine: versions, timings, names of cells."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{i}", {}
    return notebook


def main(arguments: list[str]) -> int:
    import nbformat
    from nbclient.exceptions import CellExecutionError

    parser = argparse.ArgumentParser(prog="python -m scripts.notebooks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(names())}")
    parser.add_argument("--write", action="store_true", help="keep the new outputs")
    options = parser.parse_args(arguments)
    for name in options.names or names():
        path, began = FOLDER / f"{name}.ipynb", time.monotonic()
        try:
            notebook = executed(path)
        except CellExecutionError as error:
            print(f"{name}: a cell fails\n{re.sub(COLOURS, '', str(error))}", file=sys.stderr)
            return 1
        if options.write:
            nbformat.write(notebook, path)
        print(f"{name}: {time.monotonic() - began:.0f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
