"""Completion by the shell: what is offered, that it is offered quickly, and how it is switched on and off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from mlphys.cli import main
from mlphys.schema import registry
from scripts import keys
from tests.helpers.cli import commands, mlphys, reason, refused

ROOT = Path(__file__).parents[2]


def offered(line: str) -> list[str]:
    """What a tab behind a line offers."""
    *words, incomplete = line.split(" ")
    completion = ShellComplete(main, {}, "mlphys", "_MLPHYS_COMPLETE")
    return [item.value for item in completion.get_completions(words, incomplete)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs small/1 to small/10, a config, and names that no shell would take for one word."""
    monkeypatch.chdir(tmp_path)
    for number in range(1, 11):
        (tmp_path / "runs" / "small" / str(number)).mkdir(parents=True)
    for name in ("tea time", "$(touch here)", ".hidden"):
        (tmp_path / "runs" / name).mkdir()
    (tmp_path / "mine.yaml").write_text("name: mine")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


PARAMETERS = [
    (f"{' '.join(words)} ", parameter)
    for words, command in commands(main)
    if not isinstance(command, click.Group)
    for parameter in command.params
]
OF_RUNS = [usage for usage, parameter in PARAMETERS if parameter.name in ("run", "runs") and parameter.nargs in (1, -1)]
OF_CONFIGS = [usage for usage, parameter in PARAMETERS if parameter.name == "config"]
OF_KEYS = [usage for usage, parameter in PARAMETERS if "--set" in parameter.opts]


def test_commands_and_their_options_are_offered():
    assert offered("pl") == ["plot", "plot-filters"]
    assert offered("config d") == ["diff"]
    assert "--style" in offered("plot --s")
    assert offered("list plo") == ["plots"]


@pytest.mark.parametrize("usage", OF_RUNS)
def test_every_command_that_takes_a_run_offers_names_and_behind_a_slash_numbers(usage: str, folder: Path):
    assert offered(f"{usage}sm") == ["small"]
    assert offered(f"{usage}small/") == [f"small/{number}" for number in range(1, 11)]
    assert offered(f"{usage}ru") == ["runs/"]


@pytest.mark.parametrize("usage", [*OF_CONFIGS, "config diff ", "config diff mine.yaml ", "check --against "])
def test_every_command_that_takes_a_config_offers_files_runs_and_shipped_ones(usage: str, folder: Path):
    assert {"mine.yaml", "small", "conv_mnist"} <= set(offered(usage))
    assert "notes.txt" not in offered(usage)
    assert offered(f"{usage}mine") == ["mine.yaml"]


def test_names_that_a_shell_would_not_take_for_one_word_are_not_offered(folder: Path):
    assert offered("plot ") == ["small", "runs/"]
    assert offered("plot $") == []


@pytest.mark.parametrize("usage", OF_KEYS)
def test_keys_are_offered_a_part_at_a_time(usage: str):
    assert offered(f"{usage}--set training.opt") == ["training.optimizer=", "training.optimizer."]
    assert offered(f"{usage}--set training.optimizer.Ada") == [
        f"training.optimizer.{name}." for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax")
    ]
    assert offered(f"{usage}--set training.optimizer.Adam.eps") == ["training.optimizer.Adam.epsilon="]


def test_keys_that_are_to_be_blank_are_offered_also_behind_a_comma(folder: Path):
    assert offered("exercise x --blank training.ep") == ["training.epochs"]
    assert offered("exercise x --blank seed,training.ep") == ["seed,training.epochs"]
    assert offered("exercise x --range-from sm") == ["small"]


def test_behind_the_equals_sign_the_values_that_have_names_are_offered():
    assert offered("train x --set training.shuffle=") == ["training.shuffle=true", "training.shuffle=false"]
    assert "data.split=in_order" in offered("train x --set data.split=")
    assert offered("train x --set training.optimizer=Ni") == []
    assert offered("train x --set training.epochs=") == []


def test_entries_of_registries_are_offered_also_behind_a_comma():
    assert offered("plot --only ") == registry.names("mlphys.plots")
    assert offered("plot --only roc,con") == ["roc,confusion_matrix"]
    assert "roc,roc" not in offered("plot --only roc,r")
    assert offered("analyze --only ene") == ["energy"]
    assert offered("data fetch fa") == ["fashion_mnist"]
    assert offered("plot --format png,") == ["png,pdf", "png,svg"]
    assert offered("plot --style p") == ["paper"]


def test_the_list_of_keys_is_that_of_the_config_language():
    assert keys.COMPLETED.read_text() == keys.settable(), "python -m scripts.keys"


def test_nothing_that_takes_long_is_imported_for_a_completion(folder: Path):
    program = (
        "import sys; from click.shell_completion import ShellComplete; from mlphys.cli import main\n"
        "completion = ShellComplete(main, {}, 'mlphys', '_MLPHYS_COMPLETE')\n"
        "for words in (['pl'], ['train', 'conv'], ['train', '--set', 'tr'], ['plot', ''], ['plot', '--only', '']):\n"
        "    assert completion.get_completions(words[:-1], words[-1])\n"
        "print(sorted({'numpy', 'pydantic', 'yaml', 'matplotlib', 'tensorflow', 'rich'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"HOME": str(tmp_path), "SHELL": "/usr/bin/bash"}.items():
        monkeypatch.setenv(name, value)
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/completions/mlphys.fish"}


@pytest.mark.parametrize(("shell", "name"), FILES.items())
def test_installing_names_the_file_is_done_once_and_can_be_undone(shell: str, name: str, home: Path):
    file = home / name
    assert mlphys("completion", "install", shell).startswith(f"{file}: completion for {shell} written")
    once = file.read_text()
    assert mlphys("completion", "show", shell) in once
    assert mlphys("completion", "install", shell) == f"{file}: completion for {shell} is there already\n"
    assert file.read_text() == once
    assert mlphys("completion", "remove", shell) == f"{file}: completion taken out\n"
    assert mlphys("completion", "remove", shell) == f"{file}: has no completion of mlphys\n"
    assert not file.exists() or file.read_text() == ""


def test_what_else_stands_in_the_start_up_file_stays_and_so_do_its_mode_and_a_link_to_it(home: Path):
    kept = home / "settings" / "bashrc"
    kept.parent.mkdir()
    kept.write_bytes(b"alias ll='ls -l'\n# caf\xe9")
    kept.chmod(0o600)
    (home / ".bashrc").symlink_to(kept)
    mlphys("completion", "install")
    assert kept.read_bytes().startswith(b"alias ll='ls -l'\n# caf\xe9\n# >>> mlphys")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (home / ".bashrc").is_symlink()
    kept.write_bytes(kept.read_bytes() + b"export A=1\n")
    mlphys("completion", "remove")
    assert kept.read_bytes() == b"alias ll='ls -l'\n# caf\xe9\nexport A=1\n"


def test_an_older_script_is_replaced(home: Path):
    old = "# >>> mlphys completion >>>\nold\n# <<< mlphys completion <<<\n"
    (home / ".bashrc").write_text(f"first\n{old}last\n")
    mlphys("completion", "install", "bash")
    assert (home / ".bashrc").read_text().startswith("first\nlast\n# >>> mlphys")
    assert "old" not in (home / ".bashrc").read_text()


def test_a_shell_without_completion_and_a_file_that_cannot_be_written_are_answered(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert reason("completion", "install") == "SHELL is tcsh; name the shell: bash, zsh, fish"
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in refused("completion", "show", "tcsh")
    (home / ".bashrc").mkdir()
    assert reason("completion", "install", "bash") == f"{home / '.bashrc'}: cannot be read: Is a directory"


def test_bash_completes_values_behind_the_equals_sign_at_which_it_divides_words(tmp_path: Path):
    command = tmp_path / "mlphys"
    command.write_text(f"#!{sys.executable}\nfrom mlphys.cli import main\nmain(prog_name='mlphys')\n")
    command.chmod(0o700)
    script = mlphys("completion", "show", "bash") + (
        "\nCOMP_LINE='mlphys train x --set training.optimizer=Adag' COMP_POINT=44 COMP_CWORD=6\n"
        "COMP_WORDS=(mlphys train x --set training.optimizer = Adag)\n"
        "_mlphys_completion mlphys; printf '%s|' \"${COMPREPLY[@]}\""
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Adagrad|"
