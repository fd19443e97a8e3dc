"""`mlphys config ...`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._candidates import configs, shipped_configs
from mlphys.cli._group import WholeSentences
from mlphys.cli._loading import loaded_experiment
from mlphys.cli._options import CONFIG, SET


@click.group("config", cls=WholeSentences)
def command() -> None:
    """Check, show and compare configs."""


@command.command("check")
@CONFIG
@SET
def config_check(config: Path, overrides: tuple[str, ...]) -> None:
    """Validate CONFIG without training."""
    from mlphys.config.advice import advice

    loaded = loaded_experiment(config, overrides)
    parameters = sum(math.prod(shape) for shape in loaded.weight_shapes().values())
    terminal.echo(f"{config}: OK ({loaded.experiment.data.name}, {parameters} parameters)")
    for warning in advice(loaded):
        terminal.echo(f"warning: {warning}")


@command.command("show")
@CONFIG
@SET
def config_show(config: Path, overrides: tuple[str, ...]) -> None:
    """Print CONFIG complete, with every default."""
    from mlphys.schema.document import dump

    terminal.echo_data(dump(loaded_experiment(config, overrides).experiment.model_dump()))


@command.command("explain")
@CONFIG
@SET
def config_explain(config: Path, overrides: tuple[str, ...]) -> None:
    """Print the layers of CONFIG with shapes, and its cost as a formula."""
    from mlphys.show.experiment import explained

    terminal.echo(explained(loaded_experiment(config, overrides)))


@command.command("diff")
@click.argument("first", type=click.Path(path_type=Path), shell_complete=configs)
@click.argument("second", type=click.Path(path_type=Path), shell_complete=configs)
def config_diff(first: Path, second: Path) -> None:
    """Print the keys in which two configs, or two runs, differ, defaults included."""
    from mlphys.config.difference import difference
    from mlphys.show.experiment import differing

    terminal.echo(differing(difference(loaded_experiment(first).experiment, loaded_experiment(second).experiment)))


@command.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the config language, for completion in editors."""
    from mlphys.config.json_schema import json_schema

    terminal.echo(json.dumps(json_schema(), indent=2))


@command.command("copy")
@click.argument("name", shell_complete=shipped_configs)
@click.option("--to", type=click.Path(path_type=Path), default=Path("."), help="The folder; default: the current one.")
@click.option("--name", "new_name", help="The name of the copy; what the original was expected to reach is left out.")
def config_copy(name: str, to: Path, new_name: str | None) -> None:
    """Copy the config NAME that comes with mlphys, to change it."""
    from mlphys.config.examples import copy

    path = copy(name, to, new_name)
    terminal.echo(f"{path}: written; `mlphys train {path}` trains it")


@command.command("from-keras")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--weights", is_flag=True, help="Also its weights, as the start of a training, beside the config.")
@click.option("--out", type=click.Path(path_type=Path), help="The new config; default: it is printed.")
def config_from_keras(file: Path, weights: bool, out: Path | None) -> None:
    """Make a config from a .keras FILE, or from the text of model.to_json().

    FILE is read as data: nothing of it is executed.
    """
    from mlphys.commands.from_keras import from_keras
    from mlphys.io import atomic

    conversion = from_keras(file, out, weights)
    if conversion.path and conversion.weights is not None:
        atomic.write(conversion.path, conversion.weights)
        terminal.echo(f"{conversion.path}: written: its weights")
    if out is None:
        terminal.echo_data(conversion.text)
        return
    atomic.write(out, conversion.text)
    terminal.echo(f"{out}: written; name your data in it, then `mlphys train {out}` trains it")
