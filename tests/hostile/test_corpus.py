"""Each input of the corpus: one message, exit code 2, within bounds, and nothing else is touched."""

from __future__ import annotations

import pytest

from tests.hostile import corpus, trial


def parameters() -> list[object]:
    marks = {True: (pytest.mark.hostile, pytest.mark.sample), False: (pytest.mark.hostile,)}
    return [pytest.param(case, id=f"{family}/{case.name}", marks=marks[s]) for family, case, s in corpus.all_cases()]


@pytest.mark.parametrize("case", parameters())
def test_a_hostile_input_is_answered_and_harms_nothing(case, tmp_path):
    wrong = trial.wrong(case, tmp_path)
    assert not wrong, "\n".join(wrong)
