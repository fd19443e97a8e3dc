"""`mlphys evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._loading import measurable
from mlphys.cli._options import NO_REPORT, RUN
from mlphys.cli._training import write_page


@click.command("evaluate")
@RUN
@click.option("--split", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option(
    "--data",
    "path",
    metavar="PATH",
    help="The run's data, if it has moved; or another labelled set, measured apart.",
)
@click.option("--shift", type=click.IntRange(min=1), help="Also measure on images shifted by 0 to so many pixels.")
@click.option("--noise", type=float, help="Also measure with noise of standard deviations from 0 to this one.")
@click.option("--no-plots", is_flag=True, help="Draw no pictures.")
@NO_REPORT
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def command(
    run: str | None,
    split: str,
    path: str | None,
    shift: int | None,
    noise: float | None,
    no_plots: bool,
    no_report: bool,
    as_json: bool,
) -> None:
    """Measure RUN (default: the newest finished one) on its untouched test split."""
    from mlphys.commands import evaluate, labelled_set, plot, robustness
    from mlphys.errors import UserError
    from mlphys.runs import evaluations
    from mlphys.runs.run import Run
    from mlphys.show.evaluation import changed, evaluated, evaluated_other
    from mlphys.show.pictures import drawn_pictures

    loaded_run = measurable(run)
    robustness.check(loaded_run, shift, noise)
    if path and (other := labelled_set.unless_own(loaded_run, Path(path))):
        if shift or noise:
            raise UserError("--shift and --noise measure on the run's own splits; leave them out, or --data")
        metrics = evaluate.evaluate_other(loaded_run, other)
        terminal.echo(json.dumps(metrics, indent=2) if as_json else evaluated_other(loaded_run, other, metrics))
        return
    metrics = evaluate.evaluate(loaded_run, split, path)
    curves = robustness.measure(loaded_run, split, shift, noise, path) if shift or noise else {}
    remarks = evaluations.remarks(evaluations.read(loaded_run.folder)) if split == "test" else []
    terminal.echo(
        json.dumps({**metrics, **curves}, indent=2) if as_json else evaluated(loaded_run, split, metrics, remarks)
    )
    if curves and not as_json:
        terminal.echo(changed(curves))
    if not no_plots:
        drawn = plot.draw(
            Run(loaded_run.path), [*loaded_run.config.plots, *(["accuracy_against"] if curves else [])], ("png",)
        )
        if not as_json:
            terminal.echo(drawn_pictures(drawn))
    if not no_report:
        write_page(loaded_run.path)
