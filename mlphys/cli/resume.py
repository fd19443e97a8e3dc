"""`mlphys resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlphys import terminal
from mlphys.cli._options import NO_REPORT, QUIET, RUN, SET, THREADS, WORKERS
from mlphys.cli._training import interruptible, print_study, refuse_given, say, write_page

if TYPE_CHECKING:
    from mlphys.studies.study_file import Study


@click.command("resume")
@RUN
@SET
@THREADS
@WORKERS
@click.option("--retry", is_flag=True, help="Of a study: try the members again that failed.")
@click.option("--shard", metavar="I/N", help="Of a study: every N-th member only, from the I-th on.")
@NO_REPORT
@QUIET
def command(
    run: str | None,
    overrides: tuple[str, ...],
    threads: int | None,
    workers: int | None,
    retry: bool,
    shard: str | None,
    no_report: bool,
    quiet: bool,
) -> None:
    """Resume RUN from its newest checkpoint; --set training.epochs=N trains longer.

    RUN may be a study; without RUN it is the newest unfinished run.
    """
    from mlphys.studies.study_file import located

    if run and (study := located(run)):
        _resume_study(study, overrides, threads, workers, retry, shard, no_report, quiet)
        return
    refuse_given(
        {"--workers": workers is not None, "--retry": retry, "--shard": bool(shard)}, f"{run or 'RUN'} is no study"
    )
    from mlphys.commands import train
    from mlphys.runs.run import find, newest_unfinished
    from mlphys.show.training import trained
    from mlphys.training.progress import reporter

    with interruptible():
        done = train.resume(find(run) if run else newest_unfinished(), overrides, reporter(quiet), say(quiet), threads)
    if not no_report:
        write_page(done.path)
    terminal.echo(str(done.path) if quiet else trained(done))


def _resume_study(
    study: Study,
    overrides: tuple[str, ...],
    threads: int | None,
    workers: int | None,
    retry: bool,
    shard: str | None,
    no_report: bool,
    quiet: bool,
) -> None:
    refuse_given(
        {"--set": bool(overrides), "--threads": threads is not None},
        f"{study.path} is a study, whose members keep their configs and threads",
    )
    from mlphys.commands.study import Request, resume
    from mlphys.studies.conduct import parsed_shard
    from mlphys.studies.progress import reporter

    request = Request({}, workers=workers, shard=parsed_shard(shard))
    with interruptible():
        content = resume(study, request, retry, reporter(quiet), say(quiet))
    print_study(study, content, no_report, quiet)
