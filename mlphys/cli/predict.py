"""`mlphys predict`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli import _candidates
from mlphys.cli._loading import measurable


@click.command("predict")
@click.argument("run", shell_complete=_candidates.runs)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--resize", is_flag=True, help="Scale image files to the size of the training images.")
@click.option("--invert", is_flag=True, help="Turn black into white: MNIST's digits are white on black.")
@click.option("--as-is", is_flag=True, help="Take photographs of digits as they are: no levelling, no centring.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of CSV.")
@click.option("--save-inputs", type=click.Path(path_type=Path), help="Write what the net saw as png into a new folder.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this new file instead of printing.")
@click.option("--save", type=click.Path(path_type=Path), help="Write all arrays, reconstructions too, to a new npz.")
def command(
    run: str,
    paths: tuple[Path, ...],
    resize: bool,
    invert: bool,
    as_is: bool,
    as_json: bool,
    save_inputs: Path | None,
    out: Path | None,
    save: Path | None,
) -> None:
    """Predict the class, value or code of each sample in image, array or csv files, or in a folder of images."""
    from mlphys.commands import predict
    from mlphys.errors import UserError
    from mlphys.io import atomic

    loaded_run = measurable(run)
    if save and save.suffix != ".npz":
        raise UserError(f"{save}: --save writes an npz file; name it so")
    if out and save and os.path.realpath(out) == os.path.realpath(save):
        raise UserError(f"--out and --save name the same file {save}; name two")
    for path in (out, save, save_inputs):
        if path:
            atomic.new(path)
    predictions = predict.predict(loaded_run, paths, resize, invert, as_is)
    text = predict.as_json(predictions) if as_json else predict.as_csv(predictions)
    for note in predictions.notes:
        terminal.complain(note)
    if save_inputs:
        predict.save_inputs(predictions, save_inputs)
    if save:
        atomic.write(save, predict.as_npz(loaded_run, predictions))
    if out:
        atomic.write(out, text)
    else:
        terminal.echo_data(text)
