"""The commands: one file for each, or for a group of them; they parse, call and print.

A file whose name begins with an underscore is shared by several.
"""

from __future__ import annotations

import click

import mlphys
from mlphys.cli._group import Commands


@click.group(cls=Commands, package=__name__, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mlphys.__version__, prog_name="mlphys")
def main() -> None:
    """Machine-learning experiments for physics: one YAML file, one trained and measured network.

    Start with `mlphys train conv_digits`; `mlphys explain KEY` says what a key of a config means.
    """
