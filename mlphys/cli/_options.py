"""The options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from mlphys.cli._candidates import configs, overrides, runs, words
from mlphys.cli._training import refuse_given

Command = Callable[..., None]

CONFIG = click.argument(
    "config", type=click.Path(path_type=Path), shell_complete=configs
)  # a file, a run, or the name of a shipped one
SET = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=overrides,
    help="Override a key of the config.",
)
SEEDS = click.option(
    "--seeds", type=click.IntRange(min=1), help="Train a study of N seeds, counted up from the config's."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(0, 1024), help="Members trained at once; default one per core. 0: in this process."
)
THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Train with so many threads; default one a core."
)


def _address(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """An address, and not the config that follows the option."""
    if value is not None and value not in ("auto", "local") and ":" not in value:
        raise click.BadParameter(
            f"expected HOST:PORT, auto or local; received {value}; write --ray last, or --ray local, to name none"
        )
    return value


RAY = click.option(
    "--ray",
    callback=_address,
    is_flag=False,
    flag_value="local",
    metavar="[HOST:PORT]",
    help="Train the members on a Ray cluster; auto: this machine's, local or nothing: one made for now.",
)
GPUS = click.option(
    "--gpus", type=click.FloatRange(0, 64), default=0.0, help="With --ray: GPUs of each member, such as 1 or .25."
)
EVALUATE = click.option(
    "--evaluate",
    type=click.Choice(["validation", "test"]),
    help="The split on which members are measured. Default: test for seeds alone, else validation.",
)
QUIET = click.option("--quiet", is_flag=True, help="Show no progress; train and resume print the run's path only.")
NO_REPORT = click.option("--no-report", is_flag=True, help="Write no page, report.html.")
RUN = click.argument("run", required=False, shell_complete=runs)


def _separated(ctx: click.Context, option: click.Parameter, value: str) -> list[str]:
    return value.split(",")


def formats(name: str) -> Callable[[Command], Command]:
    """The option `name`: formats of pictures, as a list."""
    help_text = "png, pdf, svg; several separated by commas."
    complete = words("png", "pdf", "svg")
    return click.option(name, "formats", default="png", callback=_separated, shell_complete=complete, help=help_text)


STYLE = click.option(
    "--style",
    shell_complete=words("paper", "slides", "notebook"),
    help="paper, slides or notebook: fonts, sizes, lines. Default: large, for a screen.",
)
WIDTH = click.option("--width", metavar="LENGTH", help="The width of a picture: 85mm, 8.5cm, 3.35in, 241pt.")
NO_TITLE = click.option("--no-title", is_flag=True, help="Leave out the title and the lines below the picture.")


def styled(command: Command) -> Command:
    """--style, --width and --no-title, which the command receives as one `style`."""

    @STYLE
    @WIDTH
    @NO_TITLE
    @wraps(command)
    def with_style(style: str | None, width: str | None, no_title: bool, **others: Any) -> None:
        from mlphys.figures.style import chosen

        command(style=chosen(style, width, not no_title), **others)

    return with_style


class Executed(NamedTuple):
    """How the members of a study are trained: fields of a `Request`."""

    workers: int | None
    threads: int | None
    ray: str | None
    gpus: float

    def require_ray_for_gpus(self) -> None:
        refuse_given({"--gpus": bool(self.gpus) and not self.ray}, "GPUs are given to members by --ray")


def executed(command: Command) -> Command:
    """--workers, --threads, --ray and --gpus, which the command receives as one `executed`."""

    @WORKERS
    @THREADS
    @RAY
    @GPUS
    @wraps(command)
    def with_executor(workers: int | None, threads: int | None, ray: str | None, gpus: float, **others: Any) -> None:
        command(executed=Executed(workers, threads, ray, gpus), **others)

    return with_executor


DATA = click.option("--data", "path", metavar="PATH", help="The run's data, if it has moved.")
