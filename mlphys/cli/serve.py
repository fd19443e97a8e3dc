"""`mlphys serve`."""

from __future__ import annotations

from pathlib import Path

import click

from mlphys import terminal


@click.command("serve")
@click.argument("folder", type=click.Path(path_type=Path), default="runs", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address requires a token.")
def command(folder: Path, port: int, host: str) -> None:
    """Show the pages of all runs and studies in FOLDER (default: runs) in a browser, and trainings while they go on.

    It trains, evaluates and writes nothing.
    """
    from mlphys.server.listen import serve

    serve(folder, host, port, terminal.echo)
