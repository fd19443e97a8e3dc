"""Every command: its help, and its speed of answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mlphys.cli
from mlphys.cli import main
from tests.helpers.cli import commands

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [words for words, _ in commands(main)], ids=" ".join)
def test_every_command_has_help(command):
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()[2].strip()) > 20


def test_the_list_of_commands_gives_each_its_whole_sentence():
    for group in ([], ["config"], ["data"]):
        listed = " ".join(CliRunner().invoke(main, [*group, "--help"], terminal_width=60).output.split())
        assert "..." not in listed.partition("Commands:")[2]
    assert "Resume RUN from its newest checkpoint; --set training.epochs=N trains longer." in " ".join(
        CliRunner().invoke(main, ["--help"], terminal_width=60).output.split()
    )


@pytest.mark.parametrize("group", [[], ["config"], ["data"]], ids=" ".join)
def test_a_group_of_commands_alone_prints_its_whole_help(group):
    alone, helped = (CliRunner().invoke(main, [*group, *words]) for words in ([], ["--help"]))
    assert alone.exit_code == 2
    assert alone.stderr == helped.output


@pytest.mark.parametrize("seeds", [["0,1,2"], ["0", "1"], ["-1"], ["1.5"]], ids=" ".join)
def test_several_seeds_are_refused_with_the_option_for_a_study(seeds):
    given = [word for seed in seeds for word in ("--seed", seed)]
    result = CliRunner().invoke(main, ["train", "conv_digits", *given], terminal_width=200)
    assert result.exit_code == 2
    assert f"expected one whole number; received {' and '.join(seeds)}; --seeds 3 trains" in result.output


def test_help_of_every_command_imports_nothing_heavy():
    script = (
        "import sys\nfrom mlphys.cli import main\n"
        f"for command in {[list(words) for words, _ in commands(main)]!r}:\n"
        "    main([*command, '--help'], standalone_mode=False)\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pydantic', 'sklearn', 'matplotlib'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


WITHOUT_NETWORK = [
    "config check configs/conv_mnist.yaml",
    "config explain configs/conv_mnist.yaml",
    "list layers",
    "train configs/nowhere.yaml",
    "train configs/conv_digits.yaml --set training.epoch=3",
    "evaluate nowhere",
]


def test_what_needs_no_network_is_answered_without_tensorflow():
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom mlphys.cli import main\n"
        f"for line in {WITHOUT_NETWORK!r}:\n"
        "    result = CliRunner().invoke(main, line.split())\n"
        "    heavy = sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys())\n"
        "    print(line, result.exit_code, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert done.stdout.splitlines() == [
        f"{line} {2 if 'nowhere' in line or 'epoch=3' in line else 0} []" for line in WITHOUT_NETWORK
    ]


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(path, overrides=()):
        raise ZeroDivisionError

    monkeypatch.setattr("mlphys.config.load.load", broken)
    result = CliRunner().invoke(main, ["config", "check", "x.yaml"])
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_every_file_of_the_folder_is_the_command_of_its_name():
    files = (Path(mlphys.cli.__file__).parent).glob("[!_]*.py")
    context = click.Context(main)
    for name in (path.stem.replace("_", "-") for path in files):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
