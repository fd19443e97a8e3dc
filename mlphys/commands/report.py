"""Write the page of a run or a study: report.html."""

from __future__ import annotations

import os
from pathlib import Path

from mlphys.commands import check
from mlphys.commands.check import Compared
from mlphys.errors import UserError
from mlphys.io.run_files import PAGE
from mlphys.io.run_folder import STUDY, RunFolder
from mlphys.numerics.uncertainty import rounded
from mlphys.report import run_page, study_page
from mlphys.report.run_page import PublishedNumber
from mlphys.runs.run import Run
from mlphys.studies.study_file import Study


def write(path: Path) -> Path:
    """Write the page of the run or the study in a folder, from its files, without TensorFlow.

    Raises UserError where a run's config, data.json or status.json cannot be read, or study.json.
    """
    RunFolder(path).write(PAGE, rendered(path).encode("utf-8", "replace"))
    return path / PAGE


def rendered(path: Path) -> str:
    """The page of the run or the study in a folder. Raises UserError as `write` does."""
    if os.path.lexists(path / STUDY):
        return study_page.written(Study(path))
    run = Run(path)
    return run_page.written(run, _published(run))


def _published(run: Run) -> list[PublishedNumber]:
    try:
        return [_told(row) for row in check.check([run]).published]
    except UserError:  # damaged metrics, which the page names
        return []


def _told(row: Compared) -> PublishedNumber:
    text = f"{row.published.text()} for {row.metric} ({row.published.source})"
    ours = rounded(row.found.mean, row.found.sampling)
    if not row.published.comparable:
        pull = f"not comparable{f': {row.published.remark}' if row.published.remark else ''}; this run: {ours}"
    elif row.deviation.pull is not None:
        pull = f"this run: {ours}, a pull of {row.deviation.pull:+.1f}"
    elif row.deviation.within_rounding:
        pull = f"this run: {ours}, equal within rounding"
    else:
        pull = f"this run: {ours}; one seed has no pull"
    return PublishedNumber(row.metric, text.replace("+-", "±"), pull.replace("+-", "±"))
