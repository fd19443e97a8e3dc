"""`mlphys train`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._loading import config_path, with_notes
from mlphys.cli._options import CONFIG, NO_REPORT, QUIET, SEEDS, SET, Executed, executed
from mlphys.cli._training import interruptible, refuse_given, say, train_study, write_page


def _one_seed(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> int | None:
    """The seed; several of them are a study."""
    if len(values) == 1 and values[0].isdecimal():
        return int(values[0])
    if values:
        received = " and ".join(values)
        raise click.BadParameter(f"expected one whole number; received {received}; --seeds 3 trains a study of 3 seeds")
    return None


@click.command("train")
@CONFIG
@SET
@click.option("--seed", metavar="N", multiple=True, callback=_one_seed, help="Override the seed.")
@click.option("--out", type=click.Path(path_type=Path), help="The run directory; default runs/NAME/NUMBER.")
@click.option("--resume", "go_on", is_flag=True, help="Resume the newest unfinished run of CONFIG.")
@SEEDS
@executed
@NO_REPORT
@QUIET
def command(
    config: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    go_on: bool,
    seeds: int | None,
    executed: Executed,
    no_report: bool,
    quiet: bool,
) -> None:
    """Train the experiment of CONFIG in a new run directory.

    On a terminal the values in brackets are those on validation; Ctrl-C keeps what is trained.
    With --seeds, data.folds or the block study it is a study of many runs.
    """
    from mlphys.config.load import load_document, overridden_document

    path = config_path(config)
    document = overridden_document(path, (*overrides, f"seed={seed}") if seed is not None else overrides)
    loaded = with_notes(load_document(document))
    if seeds or loaded.experiment.is_study():
        from mlphys.commands.study import Request

        executed.require_ray_for_gpus()
        request = Request({}, seeds, out=out, **executed._asdict())
        train_study(document, loaded, request, go_on, no_report, quiet)
        return
    options = {"--ray": bool(executed.ray), "--gpus": bool(executed.gpus)}
    refuse_given(options, "Ray trains the members of a study, and this is one run")
    from mlphys.commands import resume, train
    from mlphys.show.training import trained
    from mlphys.training.progress import reporter

    unfinished = resume.unfinished(loaded, out) if go_on else None
    if go_on and not unfinished:
        say(quiet)("no unfinished run; starting a new one")
    with interruptible():
        if unfinished:
            run = resume.resume(unfinished, (), reporter(quiet), say(quiet), executed.threads)
        else:
            run = train.train(loaded, out, reporter(quiet), say(quiet), executed.threads)
    if not no_report:
        write_page(run.path)
    terminal.echo(str(run.path) if quiet else trained(run))
