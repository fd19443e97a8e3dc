"""`mlphys resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlphys import terminal
from mlphys.cli._options import NO_REPORT, QUIET, RUN, SET, Executed, executed
from mlphys.cli._training import interruptible, print_study, refuse_given, say, write_page

if TYPE_CHECKING:
    from mlphys.commands.study import Request
    from mlphys.studies.study_file import Study


@click.command("resume")
@RUN
@SET
@executed
@click.option("--retry", is_flag=True, help="Of a study: try the members again that failed.")
@click.option("--shard", metavar="I/N", help="Of a study: every N-th member only, from the I-th on.")
@NO_REPORT
@QUIET
def command(
    run: str | None,
    overrides: tuple[str, ...],
    executed: Executed,
    retry: bool,
    shard: str | None,
    no_report: bool,
    quiet: bool,
) -> None:
    """Resume RUN from its newest checkpoint; --set training.epochs=N trains longer.

    RUN may be a study; without RUN it is the newest unfinished run.
    """
    from mlphys.commands.study import Request
    from mlphys.studies.conduct import parsed_shard
    from mlphys.studies.study_file import located

    if run and (study := located(run)):
        refuse_given(
            {"--set": bool(overrides), "--threads": executed.threads is not None},
            f"{study.path} is a study, whose members keep their configs and threads",
        )
        executed.require_ray_for_gpus()
        request = Request({}, shard=parsed_shard(shard), **executed._asdict())
        _resume_study(study, request, retry, no_report, quiet)
        return
    refuse_given(
        {
            "--workers": executed.workers is not None,
            "--ray": bool(executed.ray),
            "--gpus": bool(executed.gpus),
            "--retry": retry,
            "--shard": bool(shard),
        },
        f"{run or 'RUN'} is no study",
    )
    _resume_run(run, overrides, executed.threads, no_report, quiet)


def _resume_run(run: str | None, overrides: tuple[str, ...], threads: int | None, no_report: bool, quiet: bool) -> None:
    from mlphys.commands import resume
    from mlphys.runs.run import find, newest_unfinished
    from mlphys.show.training import trained
    from mlphys.training.progress import reporter

    unfinished = find(run) if run else newest_unfinished()
    with interruptible():
        done = resume.resume(unfinished, overrides, reporter(quiet), say(quiet), threads)
    if not no_report:
        write_page(done.path)
    terminal.echo(str(done.path) if quiet else trained(done))


def _resume_study(study: Study, request: Request, retry: bool, no_report: bool, quiet: bool) -> None:
    from mlphys.commands.study import resume
    from mlphys.studies.progress import reporter

    with interruptible():
        content = resume(study, request, retry, reporter(quiet), say(quiet))
    print_study(study, content, no_report, quiet)
