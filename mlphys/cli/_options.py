"""The options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

CONFIG = click.argument("config", type=click.Path(path_type=Path))  # a file, a run, or the name of a shipped one
SET = click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a key of the config.")
SEEDS = click.option(
    "--seeds", type=click.IntRange(min=1), help="Train a study of N seeds, counted up from the config's."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(0, 1024), help="Members trained at once; default one per core. 0: in this process."
)
THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Train with so many threads; default one a core."
)
RAY = click.option(
    "--ray",
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
RUN = click.argument("run", required=False)
FORMATS = click.option("--format", "formats", default="png", help="png, pdf, svg; several separated by commas.")
DATA = click.option("--data", "path", metavar="PATH", help="The run's data, if it has moved.")
