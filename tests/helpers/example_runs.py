"""Runs of the examples of registry entries, trained by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from mlphys.cli import main
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import load
from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys


class ExampleRuns:
    """Trains each experiment once in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}
        self._resolved: dict[Path, ResolvedExperiment] = {}

    def resolved(self, config: Mapping[str, Any]) -> ResolvedExperiment:
        file = self._file(config)
        if file not in self._resolved:
            self._resolved[file] = load(file)
        return self._resolved[file]

    def run(self, config: Mapping[str, Any]) -> Run:
        """A run, evaluated on its test split."""
        return Run(self._trained(config, 1, self.resolved(config).experiment.data.train))

    def in_study(self, config: Mapping[str, Any]) -> Run:
        """The same, with a second run in its folder that has half as many training samples."""
        samples = self.resolved(config).experiment.data.train
        self._trained(config, 2, int(samples) // 2)
        return self.run(config)

    def _trained(self, config: Mapping[str, Any], number: int, samples: float | None) -> Path:
        file = self._file(config)
        run = file.with_suffix("") / str(number)
        if not run.exists():
            mlphys("train", file, "--set", f"data.train={samples}", "--out", run, "--quiet", "--no-report")
            _evaluate(run)
        return run

    def _file(self, config: Mapping[str, Any]) -> Path:
        text = dump(dict(config))
        if text not in self._files:
            self._files[text] = self.folder / f"example_{len(self._files)}.yaml"
            self._files[text].write_text(text)
        return self._files[text]


def _evaluate(run: Path) -> None:
    """Evaluate, also on shifted samples if possible."""
    result = CliRunner().invoke(main, ["evaluate", str(run), "--shift", "1", "--no-report"])
    if result.exit_code == 2:
        mlphys("evaluate", run, "--no-report")
