"""Configs and runs that were named on the command line, with what stderr says of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlphys import terminal

if TYPE_CHECKING:
    from mlphys.config.experiment import ResolvedExperiment
    from mlphys.runs.run import Run


def loaded_experiment(config: Path, overrides: tuple[str, ...] = (), of_run: bool = True) -> ResolvedExperiment:
    """The experiment of a config; stderr says which file was meant, and which words were taken in another meaning.

    The config of a run is read as the run's, whose data may be gone, unless something new is made of it.
    """
    from mlphys.config.load import load, load_run
    from mlphys.config.sources import is_of_run

    path = config_path(config)
    loaded = load_run(path.parent) if of_run and is_of_run(path) and not overrides else load(path, overrides)
    return with_notes(loaded)


def config_path(config: Path) -> Path:
    """The file of a config, a run or a shipped name; stderr says which, if it is not the argument itself."""
    from mlphys.config.sources import config_file

    path = config_file(config)
    if path != config:
        terminal.complain(f"config {path}")
    return path


def with_notes(loaded: ResolvedExperiment) -> ResolvedExperiment:
    for note in loaded.notes:
        terminal.complain(note)
    return loaded


def measurable(run: str | None, data: str | None = None) -> Run:
    """A run that is trained; of an interrupted one stderr says which weights are used."""
    from mlphys.runs.run import Run, find, finished

    return with_note(Run(finished(find(run)).path, data))


def with_note(run: Run) -> Run:
    if left := run.unfinished:
        which = "best" if left.best else "last saved"
        terminal.complain(
            f"{run.path}: its training was interrupted: weights of epoch {left.epoch}, the {which} one; "
            f"`mlphys resume {run.path}` continues it"
        )
    return run
