"""`mlphys plot`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlphys import terminal
from mlphys.cli._candidates import entries
from mlphys.cli._loading import with_note
from mlphys.cli._options import RUN, formats, styled
from mlphys.cli._training import refuse_given

if TYPE_CHECKING:
    from mlphys.figures.style import Style
    from mlphys.studies.study_file import Study


@click.command("plot")
@RUN
@click.option(
    "--only",
    shell_complete=entries("mlphys.plots", several=True),
    help="Draw only these pictures, separated by commas.",
)
@formats("--format")
@styled
def command(run: str | None, only: str | None, formats: list[str], style: Style) -> None:
    """Draw the pictures of RUN (default: the newest finished one)."""
    draw(run, only, formats, style)


def draw(run: str | None, only: str | None, formats: Sequence[str], style: Style) -> None:
    """Draw the pictures of a run or a study, and print their files."""
    from mlphys.commands import plot
    from mlphys.runs.run import find
    from mlphys.show.pictures import drawn_pictures
    from mlphys.studies.study_file import located

    if run and (study := located(run)):
        refuse_given({"--only": bool(only)}, f"{study.path} is a study, which has pictures of its own")
        _draw_study(study, formats, style)
        return
    loaded_run = with_note(find(run))
    names = only.split(",") if only else loaded_run.config.plots
    terminal.echo(drawn_pictures(plot.draw(loaded_run, names, formats, style)))


def _draw_study(study: Study, formats: Sequence[str], style: Style) -> None:
    from mlphys.figures.save import FORMATS
    from mlphys.schema.suggestions import require_known
    from mlphys.show.pictures import picture_list
    from mlphys.studies import pictures

    require_known("format", formats, list(FORMATS))
    title = f"{study.path.resolve().parent.name}/{study.path.resolve().name}"
    drawn = pictures.draw(pictures.of_study(title, study.read()), study.path / "figures", formats, style)
    terminal.echo(picture_list(*drawn))
