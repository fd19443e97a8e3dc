"""Train a config in a new run directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlphys import machine
from mlphys.commands import evaluate
from mlphys.commands.prepared_run import PreparedRun, Say, fitted_preprocessing, train_and_measure, with_pictures
from mlphys.config import sample_checks
from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import splits
from mlphys.data.preprocessing import Preprocessing
from mlphys.io import atomic
from mlphys.io.download import locate
from mlphys.io.run_files import require_readable
from mlphys.numerics.chunked import LazyArray
from mlphys.runs.run import Run
from mlphys.runs.writer import RunWriter, create
from mlphys.schema import document
from mlphys.schema.samples import Splits
from mlphys.training.progress import Reporter

Read = Callable[[ResolvedExperiment, Say], tuple[Splits, dict[str, Any]]]


def train(
    loaded: ResolvedExperiment, out: Path | None, reporter: Reporter, say: Say, threads: int | None = None
) -> Run:
    """Train an experiment in a new run directory, measure it on validation, draw its pictures, make its analyses."""
    return with_pictures(trained(loaded, out, reporter, say, threads), say)


def trained(
    loaded: ResolvedExperiment,
    out: Path | None,
    reporter: Reporter,
    say: Say,
    threads: int | None = None,
    measured: Sequence[str] = (),
    read: Read | None = None,
) -> Run:
    """Train an experiment in a new run directory and measure it on validation; `threads` None: one a core.

    Other splits that are to be `measured` as `evaluate` does, if they have samples, save the network a second
    construction. With variables that training alone has changed, such as Markov chains, they are left to `evaluate`.
    """
    with machine.using_threads(threads):
        dataset, facts = (read or read_data)(loaded, say)
        fitted = fitted_preprocessing(loaded, dataset, loaded.pretrained)
        _require_learnable(loaded, dataset, fitted, say)
        require_readable(document.dump(loaded.experiment.model_dump()), facts)
        # the run directory is created last: a refusal before leaves none
        run = Run(create(loaded.experiment.name, out))
        writer = RunWriter(run.path)
        with atomic.locked(run.path):
            if loaded.pretrained:
                writer.pretrained(loaded.pretrained)
            writer.begin(loaded.experiment.model_dump(), facts)
            say(f"run {run.path}")
            evaluation = train_and_measure(PreparedRun(run, writer, loaded, dataset, fitted), reporter, None)
    run = Run(run.path)
    if not evaluation.network.state:
        for split in measured:
            if len(getattr(dataset, split)):
                evaluate.kept(run, evaluation, split)
    return run


def read_data(loaded: ResolvedExperiment, say: Say) -> tuple[Splits, dict[str, Any]]:
    """The samples, downloaded if need be, and the content of data.json."""
    for source in loaded.experiment.data.sources():
        if locate(source) is None:
            say(f"downloading {source.url}")
    dataset = loaded.dataset()
    if isinstance(dataset.train.x, LazyArray):
        gigabytes = 4e-9 * sum(split.x.size for split in (dataset.train, dataset.validation, dataset.test))
        say(f"{gigabytes:.3g} GB of samples stay on disk; they are read once now to compute their checksum")
    return dataset, splits.summary(dataset, loaded.experiment.data, loaded.description)


def _require_learnable(loaded: ResolvedExperiment, dataset: Splits, fitted: Preprocessing, say: Say) -> None:
    """Raise UserError for samples that cannot be learnt; print what is remarkable about them."""
    sample_checks.require_learnable(loaded, dataset, fitted)
    for note in splits.reading_notes(dataset):
        say(note)
    if fitted.targets is not None:
        say(
            "targets are standardized: in training, loss and mse are in units of their spread; metrics are in their own"
        )
    for remark in sample_checks.remarks(loaded, dataset, fitted):
        say(f"warning: {remark}")
