"""A study in a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlphys.commands import report
from mlphys.errors import NotApplicable, UserError
from mlphys.figures import theme
from mlphys.notebook.html import preformatted
from mlphys.notebook.run import Run, laid_out
from mlphys.numerics.uncertainty import rounded
from mlphys.show.study import studied
from mlphys.studies import pictures, points
from mlphys.studies.member_runs import member_runs
from mlphys.studies.study_file import Study as StudyFolder
from mlphys.studies.study_file import StudyFile, located

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_study(study: str | os.PathLike[str]) -> Study:
    """The study at a path, or of a name under `runs/`. Raises UserError where there is none."""
    folder = located(os.fspath(study))
    if folder is None:
        raise UserError(f"{os.fspath(study)}: no such study; mlphys.sweep makes one; load_run opens a single run")
    folder.read()
    return Study(folder.path)


class Study:
    """Many runs of one config, which differ in seeds, folds or some keys: `mlphys.sweep` returns one."""

    def __init__(self, path: str | os.PathLike[str]):
        self._study = StudyFolder(Path(path))

    @property
    def path(self) -> Path:
        """The folder of the study."""
        return self._study.path

    @property
    def runs(self) -> list[Run]:
        """The members that were trained to their end, by number."""
        return [Run(run.path) for run in member_runs(self._study)]

    @property
    def states(self) -> list[str]:
        """The state of each member: `done`, `waiting`, `running`, `interrupted`, `diverged`, `failed`."""
        return [record.state for record in self._content.members]

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each point of the grid: its keys, and over its seeds or folds `n`, `mean`, `stdev`, `stderr` of the
        main `metric` on `split`, and `sampling`, the error that the finite number of samples leaves.
        """
        content = self._content
        measured = points.main_metric(content)
        if measured is None:
            return []
        split, metric = measured
        rows = []
        for point in points.points(content):
            if stats := point.metric(split, metric):
                overrides = point.records[0].overrides
                values = {key: overrides[key] for key in point.labels}
                numbers = {"n": stats.n, "mean": stats.mean, "stdev": stats.stdev, "stderr": stats.stderr}
                rows.append({**values, "split": split, "metric": metric, **numbers, "sampling": stats.sampling})
        return rows

    def plot(self) -> Figure:
        """The main metric against what varies. Raises UserError for a study of seeds alone."""
        content, title = self._content, f"{self.path.resolve().parent.name}/{self.path.resolve().name}"
        try:
            with theme.applied():
                return next(iter(laid_out(pictures.against_parameter(title, content)).values()))
        except NotApplicable as reason:
            raise UserError(f"{self.path}: {reason}") from None

    def report(self) -> Path:
        """Write the page of the study, report.html: one file for a browser, without TensorFlow. Returns its path."""
        return report.write(self.path)

    def __str__(self) -> str:
        return studied(self.path, self._content)

    def __repr__(self) -> str:
        done = sum(state == "done" for state in self.states)
        rows = self.table
        of_all = [f"{row['split']} {row['metric']} {rounded(row['mean'], row['stderr'])}" for row in rows[:1]]
        numbers = of_all if len(rows) == 1 else []
        return f"<study {self.path}: {', '.join([f'{done} of {len(self.states)} runs done', *numbers])}>"

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    @property
    def _content(self) -> StudyFile:
        return self._study.read()
