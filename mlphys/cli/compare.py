"""`mlphys compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlphys import terminal
from mlphys.cli import _candidates
from mlphys.cli._options import formats, styled

if TYPE_CHECKING:
    from mlphys.figures.style import Style


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=_candidates.runs)
@click.option("--all-pairs", is_flag=True, help="Compare all pairs, not only each with the first.")
@click.option("--metric", help="Another metric than the first of the kind of model.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "csv", "latex", "markdown"]), default="text")
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Draw pictures of it into a folder.")
@formats("--pictures")
@styled
def command(
    runs: tuple[str, ...],
    all_pairs: bool,
    metric: str | None,
    format_: str,
    out: Path | None,
    formats: list[str],
    style: Style,
) -> None:
    """Compare runs, or studies, on the same samples: what differs, by how much, and with which significance."""
    from mlphys.show.comparison import compared
    from mlphys.show.pictures import picture_list
    from mlphys.studies import comparison, comparison_text, pictures
    from mlphys.studies.candidates import candidates

    comparison_of_runs = comparison.compare(candidates(runs), all_pairs, metric)
    match format_:
        case "text":
            terminal.echo(compared(comparison_of_runs))
        case "json":
            terminal.echo(json.dumps(comparison_text.as_json(comparison_of_runs), indent=2))
        case "csv":
            terminal.echo(comparison_text.as_csv(*comparison_text.pairs_table(comparison_of_runs)))
        case "latex":
            terminal.echo(comparison_text.as_latex(comparison_of_runs))
        case _:
            terminal.echo(comparison_text.as_markdown(comparison_of_runs))
    if out:
        drawn = pictures.draw(pictures.of_comparison(comparison_of_runs), out, formats, style)
        terminal.complain(picture_list(*drawn))
