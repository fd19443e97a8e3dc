"""Every command: its help, its speed of answer, and its place in the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mlphys.cli import main

README = Path(__file__).parents[1] / "README.md"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("command", commands(main), ids=" ".join)
def test_every_command_has_help(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()[2].strip()) > 20


def test_help_of_every_command_imports_nothing_heavy():
    script = (
        "import sys\nfrom mlphys.cli import main\n"
        f"for command in {[list(command) for command in commands(main)]!r}:\n"
        "    main([*command, '--help'], standalone_mode=False)\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pydantic', 'sklearn', 'matplotlib'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "check", "configs/conv_mnist.yaml"],
        ["config", "explain", "configs/conv_mnist.yaml"],
        ["list", "layers"],
        ["train", "configs/nowhere.yaml"],
        ["train", "configs/conv_digits.yaml", "--set", "training.epoch=3"],
        ["evaluate", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_needs_no_network_is_answered_without_tensorflow(arguments):
    script = (
        "import sys\nfrom mlphys.cli import main\n"
        f"try:\n    main({arguments!r})\nfinally:\n"
        "    print(sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=README.parent)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_every_command_is_in_the_readme_and_the_readme_names_no_other():
    text = README.read_text()
    mentioned = set(re.findall(r"mlphys ((?:config|data) [a-z]+|[a-z][a-z-]+)", text))
    leaves = {" ".join(command) for command in commands(main)} - {"config", "data"}
    words = {name for name in mentioned if name.split()[0] in {command[0] for command in commands(main)}}
    assert leaves <= mentioned
    assert words <= leaves


def test_every_option_named_in_the_readme_exists():
    known = {option for command in walk(main) for parameter in command.params for option in parameter.opts}
    table = [line for line in README.read_text().splitlines() if line.startswith("| `mlphys")]
    named = {option for line in table for option in re.findall(r"`(--[a-z]+)", line)}
    assert named
    assert named <= known


def walk(group: click.Group):
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from walk(command)


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(path, overrides=()):
        raise ZeroDivisionError

    monkeypatch.setattr("mlphys.config.load.load", broken)
    result = CliRunner().invoke(main, ["config", "check", "x.yaml"])
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)
