"""Conditions on runs: what they mean, and that nothing else is evaluated."""

from __future__ import annotations

import pytest

from mlphys.errors import UserError
from mlphys.studies.where import parse

ROW = {
    "test.accuracy": 0.985, "training.batch_size": 100, "dataset": "mnist", "seed": 1, "data.fresh": True,
    "name": "my net", "training.loss": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("test.accuracy > 0.98", True),
        ("test.accuracy >= 1", False),
        ("training.batch_size == 1e2", True),
        ("training.batch_size = 100", True),
        ("dataset == mnist", True),
        ("dataset != mnist", False),
        ("dataset<n", True),
        ("name == 'my net'", True),
        ('name == "my"', False),
        ("dataset in [digits, mnist]", True),
        ("seed in [2, 3]", False),
        ("not seed in [2, 3]", True),
        ("seed == 1 or seed == 2 and dataset == digits", True),
        ("(seed == 1 or seed == 2) and dataset == digits", False),
        ("data.fresh == true", True),
        ("data.fresh == 1", False),
        ("seed == true", False),
        ("training.loss == null", True),
        ("epochs == null", True),
        ("epochs > 3", False),
        ("dataset > 3", False),
        ("seed == '1'", False),
    ],
)
def test_a_condition_holds_or_not(condition, holds):
    assert parse(condition).holds(ROW) is holds


def test_the_keys_of_a_condition_are_known():
    assert parse("a > 1 and (b == 2 or a < 3)").keys == ("a", "b")


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "expected a key such as test.accuracy; received the end"),
        ("seed", "expected ==, !=, <, <=, >, >= or in; received the end"),
        ("seed ==", "expected a value; received the end"),
        ("seed == 1 seed == 2", "expected and, or, or the end; received 'seed == 2'"),
        ("(seed == 1", "expected ); received the end"),
        ("seed in 3", "expected a list such as [16, 32]; received '3'"),
        ("seed in [1 2]", "expected ] or ,; received '2]'"),
        ("'seed' == 1", "expected a key such as test.accuracy; received \"'seed' == 1\""),
        ("seed == 'open", 'cannot be read at "\'open"'),
        ("__import__('os')", "expected ==, !=, <, <=, >, >= or in; received \"('os')\""),
        ("not " * 100 + "seed == 1", "nested deeper than 50 levels"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(condition, why):
    with pytest.raises(UserError) as raised:
        parse(condition)
    assert str(raised.value).startswith(f"--where: {why}")
