"""Export a trained net to a file of another program, with a model card beside it."""

from __future__ import annotations

from pathlib import Path

from mlphys.export import exporting
from mlphys.export.exporting import Exported
from mlphys.export.model_card import model_card
from mlphys.export.outputs import WHOLE
from mlphys.runs.run import Run, finished


def export(run: Run, format_name: str, out: Path | None = None, part: str = WHOLE) -> Exported:
    """Write the trained net of a run as `keras` or `onnx` into a new file, and a model card FILE.md beside it.

    `part`: whole, encoder or decoder. Without `out` the file is in the current folder, named after the run. Raises
    UserError for what cannot be written, for files that exist, and where the other program gives other numbers.
    """
    exported = exporting.export(finished(run), format_name, out, part)
    exporting.save(exported, model_card(exported))
    return exported
