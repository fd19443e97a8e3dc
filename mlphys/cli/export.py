"""`mlphys export`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal
from mlphys.cli._loading import measurable
from mlphys.cli._options import DATA, RUN


@click.command("export")
@RUN
@click.option("--format", "format_name", required=True, metavar="FORMAT", help="keras or onnx; `mlphys list formats`.")
@click.option("--part", default="whole", show_default=True, help="whole, encoder or decoder.")
@click.option("--out", type=click.Path(path_type=Path), help="The new file; default: in this folder, named as the run.")
@DATA
def command(run: str | None, format_name: str, part: str, out: Path | None, path: str | None) -> None:
    """Write the net of RUN (default: the newest finished one) as a file of another program, with a model card.

    The file is tried in that program on 100 samples of the run before it is kept.
    """
    from mlphys.commands import export
    from mlphys.show.export import exported

    terminal.echo(exported(export.export(measurable(run, path), format_name, out, part)))
