"""What an actor does on its node, in a process of its own but without Ray."""

from __future__ import annotations

import os
import sys
import threading

import pytest

import mlphys
from mlphys.errors import UserError
from mlphys.studies import ray_node, run_archive
from mlphys.studies.executor import Ended, Order, Train
from mlphys.studies.member_files import NeededFile
from mlphys.studies.ray_node import Happened, Missing, Node, Setting
from tests.helpers import made_up_members

SETTING = Setting(mlphys.__version__, tuple(sys.argv), frozenset({"OMP_NUM_THREADS"}), 1.0, 0.0)


def order(number: int = 1) -> Order:
    return Order(number, "f.yaml", {}, "study/members/1", 1)


def ended(node: Node, answer: Happened | Missing) -> tuple[Ended, bytes | None]:
    """The end of a node's member, and its run."""
    while True:
        assert isinstance(answer, Happened)
        if answer.events and isinstance(answer.events[-1], Ended):
            return answer.events[-1], answer.run
        answer = node.events()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes nodes, whose processes end with the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    nodes: list[Node] = []

    def make(train: Train) -> Node:
        nodes.append(Node(train, SETTING))
        return nodes[-1]

    yield make
    for node in nodes:
        node.leave()


@pytest.mark.slow
def test_a_run_comes_back_at_its_end_and_messages_name_it_as_the_study_does(made, tmp_path):
    node = made(made_up_members.writing_its_run)
    end, content = ended(node, node.begin(order(), None, (), ()))
    assert end.result.state == "failed"
    assert end.result.reason == "study/members/1: is made up"
    assert content
    run_archive.unpack(content, tmp_path / "back")
    assert (tmp_path / "back" / "config.yaml").read_text() == "made up"
    end, _ = ended(node, node.begin(order(2), content, (), ()))
    assert end.result.epochs == 1  # it was there already


@pytest.mark.slow
def test_files_that_are_missing_are_named_before_anything_begins_and_placed_when_they_come(made, tmp_path):
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of foo
    files = (NeededFile(str(tmp_path / "there" / "foo"), 3, digest),)
    node = made(made_up_members.measured)
    assert node.begin(order(), None, files, ()) == Missing((0,))
    end, _ = ended(node, node.begin(order(), None, files, (0,), b"foo"))
    assert end.result.state == "done"
    assert (tmp_path / "there" / "foo").read_bytes() == b"foo"
    (tmp_path / "there" / "foo").write_bytes(b"bar")
    end, _ = ended(node, node.begin(order(2), None, files, ()))
    assert end.result.state == "failed"
    assert "is another file there" in (end.result.reason or "")


@pytest.mark.slow
def test_a_member_is_stopped_or_interrupted_while_another_call_waits(made):
    node = made(made_up_members.reporting_until_stopped)
    answer = node.begin(order(), None, (), ())
    node.stop(1, "too bad")
    end, _ = ended(node, answer)
    assert (end.result.state, end.result.reason) == ("pruned", "too bad")
    node = made(made_up_members.waiting_to_be_interrupted)
    node.begin(order(), None, (), ())
    threading.Timer(0.1, node.leave).start()
    end, _ = ended(node, node.events())
    assert end.result.state == "interrupted"


def test_another_version_is_refused(made):
    node = made(made_up_members.measured)
    node._version = "9.9"
    with pytest.raises(UserError, match=r"has mlphys .*, and the study 9.9; install the same"):
        node.begin(order(), None, (), ())


def test_what_ray_sets_for_its_workers_is_undone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(sys, "argv", ["default_worker.py"])
    ray_node._use_environment_of_study(Setting("0", ("mlphys", "sweep"), frozenset(), 0.5, 0))
    assert (os.environ.get("OMP_NUM_THREADS"), os.environ["CUDA_VISIBLE_DEVICES"]) == (None, "0")
    assert sys.argv == ["mlphys", "sweep"]
    ray_node._use_environment_of_study(Setting("0", ("mlphys", "sweep"), frozenset(), 0, 0))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
