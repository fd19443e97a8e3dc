"""`mlphys sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli import _candidates
from mlphys.cli._loading import config_path, with_notes
from mlphys.cli._options import CONFIG, EVALUATE, NO_REPORT, QUIET, SEEDS, SET, Executed, executed
from mlphys.cli._training import train_study


@click.command("sweep")
@CONFIG
@SET
@click.option(
    "--grid",
    "grids",
    metavar="KEY=VALUES",
    multiple=True,
    shell_complete=_candidates.overrides,
    help="[16,32], or 1e-3:1:log7, or 0:1:lin6.",
)
@click.option("--search", type=click.IntRange(min=1), help="Train N trials, whose values those before suggest.")
@SEEDS
@EVALUATE
@click.option("--out", type=click.Path(path_type=Path), help="The study's folder; default runs/NAME/NUMBER.")
@click.option("--resume", "go_on", is_flag=True, help="Go on with the newest study of CONFIG.")
@executed
@click.option("--shard", metavar="I/N", help="Train every N-th member only, from the I-th on: for job arrays.")
@click.option("--dry-run", is_flag=True, help="Print the members and train none.")
@click.option("--yes", is_flag=True, help="Train more than 200 members.")
@NO_REPORT
@QUIET
def command(
    config: Path,
    overrides: tuple[str, ...],
    grids: tuple[str, ...],
    search: int | None,
    seeds: int | None,
    evaluate: str | None,
    out: Path | None,
    go_on: bool,
    executed: Executed,
    shard: str | None,
    dry_run: bool,
    yes: bool,
    no_report: bool,
    quiet: bool,
) -> None:
    """Train CONFIG for every combination of the values of some keys, and for several seeds.

    Several --grid make a product. They replace those of the config's block study. With --search the values of each
    trial are drawn from the lists and ranges of --grid, where those before were good.
    """
    from mlphys.commands import study
    from mlphys.config.load import load_document, overridden_document
    from mlphys.show.study import member_table, search_table
    from mlphys.studies import conduct, members

    executed.require_ray_for_gpus()
    shards, many = conduct.parsed_shard(shard), yes or dry_run
    grid, how = members.grid(grids), executed._asdict()
    request = study.Request(grid, seeds, evaluate, shard=shards, many=many, out=out, search=search, **how)
    document = overridden_document(config_path(config), overrides)
    loaded = with_notes(load_document(document))
    if dry_run:
        design = study.designed(document, loaded, request)
        terminal.echo(search_table(design.search) if design.search else member_table(design.members))
        return
    train_study(document, loaded, request, go_on, no_report, quiet)
