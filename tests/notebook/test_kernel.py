"""What a notebook shows, seen in a kernel as Jupyter starts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.extras import needs
from tests.helpers.kernel import Kernel, kernel

needs("ipykernel")
pytestmark = pytest.mark.slow

CONFIG = {
    "name": "points",
    "data": {"name": "moons", "samples": 100},
    "model": {"kind": "classifier", "layers": [{"Dense": {"units": 2, "activation": "softmax"}}]},
    "training": {"epochs": 3},
    "plots": [],
}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """With a run of three epochs, `run`."""
    with kernel(tmp_path_factory.mktemp("notebook")) as started:
        cell = started.run(f"import mlphys\nrun = mlphys.train({CONFIG!r})")
        assert cell.error is None
        (bar,) = cell.outputs  # one, which changed; no warning of a missing extension beside it
        assert cell.printed == "run runs/points/1\n"
        assert '<code>train 3/3</code> <progress value="3" max="3"' in bar["text/html"]
        assert bar["text/plain"].startswith("train 3/3  validation_loss ")
        yield started


def test_a_run_is_shown_as_html_and_a_figure_as_one_picture(notebook: Kernel):
    (shown,) = notebook.run("run").outputs
    assert "<svg" in shown["text/html"]
    assert shown["text/plain"].startswith("<run runs/points/1: done after 3 epochs, validation accuracy")
    (shown,) = notebook.run("run.plot('learning_curves')").outputs
    assert "image/png" in shown
    assert notebook.run("figure = run.plot('learning_curves')").outputs == []


def test_with_pyplot_a_figure_is_still_one_picture(notebook: Kernel):
    cell = notebook.run("import matplotlib.pyplot as plt\nrun.plot('learning_curves')")
    assert [set(output) >= {"image/png"} for output in cell.outputs] == [True]


def test_a_users_mistake_is_its_message_without_a_traceback(notebook: Kernel):
    cell = notebook.run("run.decoder")
    text = "mlphys: runs/points/1: kind: classifier has no Keras model as decoder; there is model"
    assert cell.error == ("UserError", [text])


def test_an_interrupt_leaves_a_checkpoint_says_how_to_resume_and_is_a_keyboard_interrupt(notebook: Kernel):
    long = {**CONFIG, "training": {"epochs": 100_000, "batch_size": 1}}
    cell = notebook.run(f"try:\n    mlphys.train({long!r}, out='long')\nexcept KeyboardInterrupt as e: print(e)", 2)
    assert cell.error is None
    said = "interrupted; mlphys.resume('long') resumes after the last complete epoch"
    assert said in cell.printed
    cell = notebook.run("len(mlphys.load_run('long').history['loss']), mlphys.load_run('long').state")
    epochs, state = eval(cell.outputs[0]["text/plain"])
    assert epochs >= 1
    assert state == "interrupted"
    cell = notebook.run("mlphys.resume('long')", interrupt_after=2)
    assert cell.error == ("Stopped", [f"KeyboardInterrupt: {said}"])
    assert f"resuming after epoch {epochs}" in cell.printed


def test_a_study_is_one_bar_and_its_table_is_plain_text(notebook: Kernel):
    cell = notebook.run("mlphys.sweep(run.config, seeds=2, overrides={'training.epochs': 1}, workers=0, out='study')")
    bar, shown = cell.outputs
    assert bar["text/plain"].startswith("study 2/2  member ")
    assert "2 members, 2 done" in shown["text/html"]
    assert "\x1b" not in shown["text/html"]
    cell = notebook.run("print(mlphys.load_study('study'))")
    assert "accuracy" in cell.printed
    assert "\x1b" not in cell.printed
    assert cell.outputs == []
