"""What the page of a run shows, and what it leaves out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlphys.config.load import load
from mlphys.errors import NotApplicable
from mlphys.networks.forward_pass import ForwardPass, Step
from mlphys.report import curves, dataset, network
from mlphys.report.live import LARGEST, _check


def rows(*phases: str, epochs: int = 2) -> list[dict[str, Any]]:
    return [
        {"phase": phase, "epoch": epoch, "loss": 1 / epoch, "validation_loss": 2 / epoch}
        for phase in phases
        for epoch in range(1, epochs + 1)
    ]


def test_one_epoch_is_no_curve():
    of_run = {"status": {"state": "done", "epochs": 2, "stopped": "epochs", "best_epoch": None}}
    assert curves.section(SimpleNamespace(history=rows("train", epochs=1), **of_run)) is None
    assert curves.section(SimpleNamespace(history=rows("train"), **of_run)) is not None


def test_the_title_of_a_curve_names_its_phase_where_there_are_several():
    assert [each.title for each in curves.charts(rows("train"))] == ["loss"]
    assert [each.title for each in curves.charts(rows("pretrain", "head"))] == [
        "loss in phase pretrain",
        "loss in phase head",
    ]


@pytest.mark.parametrize("more", [0, 1])
def test_the_balance_of_classes_is_shown_as_long_as_it_can_be_read(more: int):
    names = [str(i) for i in range(3 * dataset.MOST_CLASSES + more)]
    splits = {split: {"class_counts": dict.fromkeys(names, 5)} for split in dataset.SPLITS}
    run = SimpleNamespace(data={"splits": splits}, description=SimpleNamespace(classes=names))
    assert (dataset._balance(run) is None) == bool(more)


def drawn(layers: int, tmp_path: Path) -> str:
    units = ", ".join("{Dense: {units: 30}}" for _ in range(layers - 2))
    (tmp_path / "net.yaml").write_text(
        "name: net\ndata: {name: digits}\n"
        f"model: {{kind: classifier, layers: [Flatten, {units}, {{Dense: {{units: 10, activation: softmax}}}}]}}\n"
    )
    loaded = load(tmp_path / "net.yaml")
    return str(network.section(SimpleNamespace(rows=loaded.rows(), loaded=loaded)).body)


def test_a_net_is_drawn_to_scale_as_long_as_it_fits(tmp_path: Path):
    few = drawn(4, tmp_path)
    heights = [float(each) for each in re.findall(r'width="16" height="([0-9.]+)"', few)]
    assert max(heights) == network.TALL  # of Flatten, the longest row
    assert sorted(heights, reverse=True) == heights
    assert 'class="drawing' in drawn(network.MOST_DRAWN, tmp_path)
    assert 'class="drawing' not in drawn(network.MOST_DRAWN + 1, tmp_path)


def test_weights_that_are_too_many_for_a_page_are_not_put_there():
    def whole(values: int) -> ForwardPass:
        weights = {"kernel": np.zeros((1, values), np.float32)}
        return ForwardPass((Step("dense", "Dense", (1,), {}, weights),))

    _check(whole(LARGEST // 4))
    with pytest.raises(NotApplicable, match="its weights take"):
        _check(whole(LARGEST // 4 + 1))
