"""history.csv as a training writes it, and as it may come from elsewhere."""

from __future__ import annotations

import math

import pytest

from mlphys.errors import UserError
from mlphys.io import history

HEAD = "phase,epoch,seconds,loss,gradient_norm.layers.0.Dense\n"


def test_rows_hold_numbers_and_none_for_what_another_phase_measures():
    assert history.rows(f"{HEAD}train,1,0.5,2.0,3\nhead,2,,,\n", "h") == [
        {"phase": "train", "epoch": 1, "seconds": 0.5, "loss": 2.0, "gradient_norm.layers.0.Dense": 3.0},
        {"phase": "head", "epoch": 2, "seconds": None, "loss": None, "gradient_norm.layers.0.Dense": None},
    ]


def test_the_half_row_of_a_killed_process_is_none():
    assert [row["epoch"] for row in history.rows(f"{HEAD}train,1,0.5,2.0,\ntrain,2,0.5,2", "h")] == [1]
    assert history.rows(f"{HEAD}train,1", "h") == []


def test_a_norm_that_overflowed_is_none():
    assert history.rows(f"{HEAD}train,1,0.5,2.0,inf\n", "h")[0]["gradient_norm.layers.0.Dense"] is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its first line must name phase, epoch, loss"),
        ("phase,epoch,accuracy\ntrain,1,1\n", "its first line must name phase, epoch, loss"),
        ("phase,epoch,loss,loss\ntrain,1,1,1\n", "each column once"),
        (f"{HEAD}train,1,0.5\n", "h:2: damaged: 3 values for 5 columns"),
        (f"{HEAD}train,1,0.5,1,1,1\n", "h:2: damaged: 6 values for 5 columns"),
        (f"{HEAD}train,1,0.5,1,\ntrain,two,0.5,1,\n", "h:3: damaged: epoch is no number"),
        (f"{HEAD}train,1.5,0.5,1,\n", "epoch is no number"),
        (f"{HEAD}train,{'9' * 5000},0.5,1,\n", "epoch is no number"),
        (f"{HEAD}train,0,0.5,1,\n", "expected a phase and an epoch from 1"),
        (f"{HEAD}train,-1,0.5,1,\n", "expected a phase and an epoch from 1"),
        (f"{HEAD}train,,0.5,1,\n", "expected a phase and an epoch from 1"),
        (f"{HEAD},1,0.5,1,\n", "expected a phase and an epoch from 1"),
        (f"{HEAD}{'p' * 200},1,0.5,1,\n", "expected a phase and an epoch from 1"),
        (f"{HEAD}train,1,0.5,nan,\n", "loss is not finite"),
        (f"{HEAD}train,1,0.5,-inf,\n", "loss is not finite"),
        (f"{HEAD}train,1,0.5,1e400,\n", "loss is not finite"),
        (f"{HEAD}train,1,0.5,1e200,\n", "loss is not finite"),
        (f"{HEAD}train,1,0.5,None,\n", "loss is no number"),
        (f"{HEAD}train,1,0.5,{'1' * 200_000},\n", "damaged: field larger than field limit"),
        (",".join(["phase,epoch,loss", *(f"m{i}" for i in range(497))]) + "\n", "500 columns"),
        (",".join(["phase,epoch,loss", *(f"m.{i}" for i in range(600))]) + "\n", "603 columns"),
    ],
)
def test_what_no_training_writes_is_refused_with_its_line(text, why):
    with pytest.raises(UserError) as error:
        history.rows(text, "h")
    assert why in str(error.value)
    assert len(str(error.value)) < 200


def test_more_rows_than_a_training_has_epochs_are_refused(monkeypatch):
    text = f"{HEAD}train,1,0.5,2.0,3\ntrain,1,0.5,2.0,3\n"
    assert len(history.rows(text, "h")) == 2
    monkeypatch.setattr(history, "MOST_EPOCHS", 1)
    with pytest.raises(UserError, match="h: damaged: 2 rows, expected at most 1"):
        history.rows(text, "h")


def test_the_largest_numbers_that_are_read_can_be_drawn():
    loss = history.rows(f"{HEAD}train,1,0.5,{history.LARGEST_NUMBER:g},\n", "h")[0]["loss"]
    assert math.isfinite(loss**2)
