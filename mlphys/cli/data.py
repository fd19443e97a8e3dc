"""`mlphys data ...`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._candidates import entries
from mlphys.cli._group import WholeSentences
from mlphys.cli._loading import loaded_experiment
from mlphys.cli._options import CONFIG, SET


@click.group("data", cls=WholeSentences)
def command() -> None:
    """List, fetch and look at datasets."""


@command.command("list")
def data_list() -> None:
    """List the datasets that a config can name."""
    from mlphys.show.vocabulary import datasets

    terminal.echo(datasets())


@command.command("fetch")
@click.argument("name", shell_complete=entries("mlphys.datasets"))
def data_fetch(name: str) -> None:
    """Download the dataset NAME unless it is present; the checksum is verified either way."""
    from mlphys.config.experiment import dataset
    from mlphys.io.download import fetch
    from mlphys.show.data import download

    sources = dataset(name).sources()
    with download() as progress:
        paths = [fetch(source, progress) for source in sources]
    terminal.echo("\n".join(f"{path}: present, checksum OK" for path in paths) or f"{name}: needs no download")


@command.command("show")
@CONFIG
@SET
@click.option("--out", type=click.Path(path_type=Path), default=Path("samples.png"), show_default=True)
def data_show(config: Path, overrides: tuple[str, ...], out: Path) -> None:
    """Draw a sheet of samples of each class of CONFIG's data; of a table a histogram of each column."""
    from mlphys.data import inspection
    from mlphys.io import atomic

    atomic.new(out)
    loaded = loaded_experiment(config, overrides)
    inspection.sheet(loaded.dataset(), loaded.description, out, loaded.experiment.data.feature_names())
    terminal.echo(f"{out}: written")


@command.command("check")
@CONFIG
@SET
def data_check(config: Path, overrides: tuple[str, ...]) -> None:
    """Check the samples of CONFIG's data: ranges, duplicates, class balance."""
    from mlphys.config import sample_checks
    from mlphys.data import inspection
    from mlphys.show.data import inspected

    loaded = loaded_experiment(config, overrides)
    dataset = loaded.dataset()
    findings = inspection.check(dataset, loaded.description, loaded.net_input.target_names)
    terminal.echo(inspected(findings, sample_checks.all_remarks(loaded, dataset)))
