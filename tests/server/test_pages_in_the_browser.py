"""Pages that only a server has, in a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.io import atomic
from mlphys.runs.writer import RunWriter
from tests.helpers.made_up_results import SAMPLES, study
from tests.server.test_app import chosen, client, identifiers, in_training, row, two_runs


@pytest.mark.slow
def test_a_keyboard_and_a_screen_reader_find_no_barrier_in_the_pages_of_a_server(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_runs()
    random = np.random.default_rng(0)
    study(Path("runs/study"), [random.random(SAMPLES) < 0.8 for _ in range(3)])
    path = in_training()
    for epoch in (1, 2):
        RunWriter(path).row(row(epoch))
    listed = client().get("/").text
    links = identifiers(listed)
    with atomic.locked(path):
        training = client().get(f"/run/{links[str(path.relative_to('runs'))]}").text
    assert "is being trained" in training
    pages = {
        "list": listed,
        "comparison": client().get(chosen([links["small/1"], links["small/2"]])).text,
        "training": training,
        "study": client().get(f"/run/{links['study']}").text,
        "message": client().get("/nothing").text,
    }
    found = {}
    for name, html in pages.items():
        (tmp_path / f"{name}.html").write_text(html)
        for width, scheme in ((390, "dark"), (1280, "light")):
            with browser.seen(width, scheme):
                browser.open(tmp_path / f"{name}.html")
                found[name, width] = browser.barriers()
    assert {where: each for where, each in found.items() if each} == {}
