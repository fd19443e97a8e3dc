"""`mlphys doctor`."""

from __future__ import annotations

import json

import click

from mlphys import terminal


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Say what mlphys finds on this machine, and train for a second; a block for a bug report, without your name.

    The exit code is 2 if mlphys cannot train here.
    """
    from mlphys.commands import doctor
    from mlphys.errors import UserError
    from mlphys.show.doctor import findings

    checks = doctor.examine()
    can_train = doctor.can_train(checks)
    if as_json:
        report = {"can_train": can_train, "checks": {check.name: check.as_json() for check in checks}}
        terminal.echo(json.dumps(report, indent=2))
    else:
        terminal.echo(findings(checks))
    if not can_train:
        raise UserError("mlphys cannot train on this machine; `training` says why")
