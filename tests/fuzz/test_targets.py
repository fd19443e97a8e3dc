"""Input made from valid input: each reader succeeds or refuses it by a message, within bounds of time and memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlphys.errors import UserError
from scripts import fuzz
from scripts.fuzzing import mutation
from scripts.fuzzing.contract import Broken, Target, hold
from scripts.fuzzing.mutation import KINDS, Edit
from scripts.fuzzing.named import TARGETS
from scripts.marked_tables import table
from tests.helpers.extras import needs

NEEDED = {"fits": "astropy", "request": "starlette"}
SAFE = 10_000  # inputs of a library that one process outlasts
EDITS = st.lists(
    st.builds(
        Edit,
        kind=st.integers(0, len(KINDS) - 1),
        place=st.floats(0, 1, exclude_max=True),
        length=st.integers(1, 40),
        piece=st.integers(0, 10**6 - 1),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request, tmp_path: Path, monkeypatch) -> Target:
    """A target, in a folder of its own."""
    if request.param.name in NEEDED:
        needs(NEEDED[request.param.name])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return request.param


def test_changed_input_is_read_or_refused(target: Target):
    if target.lasts < SAFE:
        pytest.skip("its library can crash, a message in a process of its own: tests/io/test_confined.py")
    seeds = target.seeds()
    words, opened = mutation.words(seeds), target.begin(Path.cwd())

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), EDITS)
    def read_or_refused(seed: bytes, edits: list[Edit]) -> None:
        hold(opened, mutation.edited(seed, edits, words, target.longest))

    read_or_refused()


def test_input_that_fuzzing_kept_is_read_or_refused(target: Target):
    if not (kept := fuzz.corpus(target.name)):
        pytest.skip("fuzzing has kept none yet")
    opened = target.begin(Path.cwd())
    for content in kept:
        hold(opened, content)


def test_some_input_of_each_target_is_read(target: Target):
    """Else only refusals would be tested."""
    opened = target.begin(Path.cwd())
    assert "" in [hold(opened, seed) for seed in target.seeds()]


def test_another_exception_breaks_the_contract():
    with pytest.raises(KeyError):
        hold(lambda content: {}["missing"], b"")


def test_a_warning_breaks_the_contract():
    with pytest.raises(UserWarning):
        hold(lambda content: warnings.warn("old", stacklevel=1), b"")


def refused(content: bytes) -> None:
    raise UserError(content.decode())


def test_a_refusal_keeps_the_contract_and_one_without_words_breaks_it():
    assert hold(refused, b"x.npy: damaged") == "x.npy: damaged"
    with pytest.raises(Broken, match="a message that cannot be shown"):
        hold(refused, b" ")


def test_the_target_with_the_fewest_inputs_is_next_until_all_have_enough():
    found = {"a": {"inputs": 5, "seconds": 1}, "b": {"inputs": 20_000, "seconds": 0}}
    assert fuzz.next_target(found, ["a", "b"]) == "a"
    found["a"]["inputs"] = 30_000
    assert fuzz.next_target(found, ["a", "b"]) == "b"


def test_the_documentation_has_the_counts_of_all_inputs():
    assert table(fuzz.DOCUMENT, "fuzz") == fuzz.table(fuzz.counts())


def test_the_kept_input_is_small():
    assert sum(path.stat().st_size for path in fuzz.CORPUS.iterdir()) < 300_000
