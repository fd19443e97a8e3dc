"""What is printed steers no terminal, and a stream that takes nothing is no bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlphys import terminal
from mlphys.models.autoencoder import Autoencoder
from mlphys.models.pca import PCA
from mlphys.models.transform import Transform
from mlphys.show import table as tables
from mlphys.show.evaluation import evaluated
from mlphys.show.table import table
from mlphys.show.training import trained

STEERING = [
    "\x1b[31m",
    "\x00",
    "\x07",
    "\r",
    "\x9b",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u2028",
    "\ufeff",
    "\udcff",
    "\x7f",
]
WRITING = ["Größe", "粒子", "می\u200cخواهم", "👩\u200d🔬", "Zusammen\u00adhang", "1\u00a0000", "e\u0301"]


@pytest.mark.parametrize("sign", STEERING)
def test_what_steers_a_terminal_is_written_out(sign):
    for shown in (terminal.printable(f"a{sign}b"), terminal.printable_lines(f"a\n{sign}b")):
        assert sign not in shown
        assert "\\" in shown
    assert sign not in table([f"a{sign}"], [[f"b{sign}"]])


@pytest.mark.parametrize("word", WRITING)
def test_words_of_all_scripts_stay_as_they_are(word):
    assert terminal.printable(word) == word
    assert terminal.message(word) == word


def test_line_breaks_stay_in_a_message_and_not_in_a_name():
    assert terminal.printable("a\nb\tc") == r"a\nb\tc"
    assert terminal.message("a\nb\tc") == "a\nb\tc"


@pytest.mark.parametrize(
    "long", ["x" * 100_000, "\x1b" * 100_000, "粒" * 100_000, "\n" * 100_000, ", ".join(["c"] * 50_000)]
)
def test_a_long_message_keeps_its_begin_and_the_remedy_at_its_end(long):
    shown = terminal.message(f"data.csv: unknown column; allowed {long}; did you mean a?")
    assert len(shown.encode()) <= terminal.LONGEST_MESSAGE
    assert shown.startswith("data.csv: unknown column")
    assert shown.endswith("did you mean a?")


COMMAND = f"{sys.executable} -c 'from mlphys.cli import main; main()'"
ROOT = Path(terminal.__file__).parents[1]


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, timeout=60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", ["config schema", "--help"])
def test_output_that_cannot_be_written_is_one_message(arguments, tmp_path):
    done = shell(f"{COMMAND} {arguments} > /dev/full", tmp_path)
    told = b"mlphys: standard output: cannot be written: No space left on device; print to another place\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_closed_streams_an_old_terminal_and_a_reader_that_leaves_are_no_bugs(tmp_path):
    assert shell(f"{COMMAND} --version <&- >&- 2>&-", tmp_path).returncode == 0
    assert shell(f"{COMMAND} config check none.yaml >&- 2>&-", tmp_path).returncode == 2
    done = shell(f"{COMMAND} config check ł.yaml", tmp_path, PYTHONIOENCODING="latin-1")
    assert done.stderr.startswith(rb"mlphys: \u0142.yaml: no such file")
    assert shell(f"{COMMAND} config schema | head -c 1", tmp_path).stderr == b""


def test_a_working_folder_that_is_gone_is_one_message(tmp_path):
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {COMMAND} list models", tmp_path)
    told = b"mlphys: the folder that the command was given in is gone; change into another one\n"
    assert (done.returncode, done.stderr.splitlines(keepends=True)[-1]) == (2, told)


def test_a_closed_stream_takes_the_place_of_no_file(tmp_path):
    script = (
        "import os; from mlphys import terminal; os.close(1); terminal.open_streams(); "
        "print(os.open('written', os.O_CREAT | os.O_WRONLY) > 2, file=__import__('sys').stderr)"
    )
    assert shell(f'{sys.executable} -c "{script}"', tmp_path).stderr == b"True\n"


def test_a_code_too_large_for_a_comparison_with_pca_is_explained():
    run = SimpleNamespace(name="dae/1", config=SimpleNamespace(model=Autoencoder))
    printed = evaluated(run, "test", {"samples": 60, "pca_mse": None})
    assert "pca_mse                none (so many principal components give every training sample back" in printed
    assert "as many as the code has numbers" in evaluated(run, "test", {"samples": 60, "pca_mse": 0.25})


@pytest.mark.parametrize(
    ("kind", "epochs", "said"),
    [
        (Transform, 0, "computed, without epochs"),
        (PCA, 1, "computed, without epochs"),
        (Autoencoder, 0, "not trained: it has 0 epochs"),
        (Autoencoder, 1, "trained to its end after 1 epoch, weights of epoch 1"),
        (Autoencoder, 2, "trained to its end after 2 epochs, weights of epoch 2"),
    ],
)
def test_the_end_of_a_training_is_named_by_its_epochs(tmp_path, kind, epochs, said):
    status = {"stopped": "epochs", "epochs": epochs, "best_epoch": epochs or None}
    run = SimpleNamespace(path=tmp_path, status=status, metrics={}, config=SimpleNamespace(model=kind))
    assert trained(run).splitlines()[0] == said


CELLS = st.one_of(st.from_regex(r"[a-z]([a-z .,:]{0,9}[a-z])?", fullmatch=True), st.floats(0, 9).map("{:.3f}".format))


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_a_table_that_fits_looks_as_rich_draws_it(rows):
    columns = [f"column {i}" for i in range(len(rows[0]))]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    assert tables._aligned(columns, rows, widths) == tables._drawn(columns, rows, 120)
