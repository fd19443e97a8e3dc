"""The options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys.cli._candidates import configs, overrides, runs, words

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
    """An address, and not the config that stands behind the option."""
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
FORMATS = click.option(
    "--format",
    "formats",
    default="png",
    shell_complete=words("png", "pdf", "svg"),
    help="png, pdf, svg; several separated by commas.",
)
STYLE = click.option(
    "--style",
    shell_complete=words("paper", "slides", "notebook"),
    help="paper, slides or notebook: fonts, sizes, lines. Default: large, for a screen.",
)
WIDTH = click.option("--width", metavar="LENGTH", help="The width of a picture: 85mm, 8.5cm, 3.35in, 241pt.")
NO_TITLE = click.option("--no-title", is_flag=True, help="Leave out the title and the lines below the picture.")
DATA = click.option("--data", "path", metavar="PATH", help="The run's data, if it has moved.")
