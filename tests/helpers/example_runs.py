"""The runs of what entries of a registry name as their example, trained by the command."""

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
    """Trains each experiment once in `folder`, however often it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._studies: dict[str, Path] = {}

    def resolved(self, config: Mapping[str, Any]) -> ResolvedExperiment:
        return load(self._file(config))

    def run(self, config: Mapping[str, Any]) -> Run:
        """A run that was evaluated on its test split. Beside it is one of half as many training samples."""
        file = self._file(config)
        study = file.with_suffix("")
        if not study.exists():
            samples = load(file).experiment.data.train
            for number, train in enumerate((int(samples) // 2, samples), start=1):
                mlphys("train", file, "--set", f"data.train={train}", "--out", study / str(number), "--quiet")
                _evaluate(study / str(number))
        return Run(study / "2")

    def _file(self, config: Mapping[str, Any]) -> Path:
        text = dump(dict(config))
        if text not in self._studies:
            self._studies[text] = self.folder / f"example_{len(self._studies)}.yaml"
            self._studies[text].write_text(text)
        return self._studies[text]


def _evaluate(run: Path) -> None:
    """Also on shifted samples, where they can be shifted."""
    result = CliRunner().invoke(main, ["evaluate", str(run), "--shift", "1"])
    if result.exit_code:
        mlphys("evaluate", run)
