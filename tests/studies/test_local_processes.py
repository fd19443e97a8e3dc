"""Members trained by processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlphys.studies import local_processes
from mlphys.studies.executor import Ended, Event, Order, Train
from mlphys.studies.local_processes import LocalProcesses
from tests.helpers import made_up_members

pytestmark = pytest.mark.slow


def ended(train: Train, threads: Sequence[int], slots: int = 1) -> list[Ended]:
    """The ends of members 1, 2, ... with these threads, in their order."""
    orders = [Order(i, "f.yaml", {}, "nowhere", count) for i, count in enumerate(threads, 1)]
    found: list[Ended] = []

    def report(event: Event) -> None:
        if isinstance(event, Ended):
            found.append(event)

    with LocalProcesses(train, slots) as executor:
        submitted = 0
        while len(found) < len(orders):
            while submitted < len(orders) and submitted - len(found) < slots:
                executor.submit(orders[submitted])
                submitted += 1
            executor.wait(report)
    return sorted(found, key=lambda event: event.number)


def test_a_process_that_is_killed_fails_its_member_and_no_other():
    found = ended(made_up_members.killed_if_second, [1, 1, 1])
    assert [event.result.state for event in found] == ["done", "failed", "done"]
    assert found[1].result.reason == (
        "its process was ended by SIGKILL, as the system does when memory runs out; use fewer --workers"
    )


def test_an_exception_fails_its_member_and_the_process_trains_the_next(capfd):
    found = ended(made_up_members.raising_if_second, [1, 1, 1])
    assert [event.result.reason for event in found] == [None, "ZeroDivisionError: division by zero", None]
    assert found[0].result.epochs == found[2].result.epochs  # one process
    assert "Traceback" in capfd.readouterr().err


def test_a_member_that_needs_other_threads_gets_a_fresh_process():
    found = ended(made_up_members.settled_by_first, [1, 1, 2])
    assert [event.result.state for event in found] == ["done", "done", "done"]
    processes = [event.result.epochs for event in found]
    assert processes[0] == processes[1] != processes[2]


def test_a_script_that_trains_a_study_is_not_run_again_by_its_processes(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "from mlphys.studies.executor import Order\n"
        "from mlphys.studies.local_processes import LocalProcesses\n"
        "from tests.helpers import made_up_members\n"
        "print('begins')\n"
        "with LocalProcesses(made_up_members.measured, 1) as executor:\n"
        "    executor.submit(Order(1, 'f.yaml', {}, 'nowhere', 1))\n"
        "    executor.wait(lambda event: print(event.epoch))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "begins\n1\n"


@pytest.mark.parametrize(
    ("trained", "growth", "ends"),
    [
        (local_processes.FEWEST, local_processes.GROWTH * 1.01, True),
        (local_processes.FEWEST, local_processes.GROWTH * 0.99, False),
        (local_processes.FEWEST - 1, local_processes.GROWTH * 1.01, False),
    ],
)
def test_a_process_that_has_grown_is_replaced_after_some_members(trained, growth, ends, monkeypatch):
    worker = SimpleNamespace(process=SimpleNamespace(pid=1), trained=trained - 1, memory=1_000_000)
    monkeypatch.setattr(local_processes, "_resident", lambda process: growth * 1_000_000)
    lost: list[object] = []
    monkeypatch.setattr(LocalProcesses, "_lost", lambda self, worker: lost.append(worker))
    LocalProcesses(made_up_members.measured, 1)._replaced_if_grown(worker)
    assert lost == [worker] * ends


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3, "its process ended with code 3"),
        (0, "its process ended with code 0"),
        (-15, "its process was ended by SIGTERM"),
        (-9, "its process was ended by SIGKILL, as the system does when memory runs out; use fewer --workers"),
    ],
)
def test_why_a_process_ended_is_told_by_its_code(code, told):
    assert local_processes._death(SimpleNamespace(exitcode=code)) == told


def test_leaving_ends_processes_that_train():
    with LocalProcesses(made_up_members.waiting_to_be_interrupted, 1) as executor:
        executor.submit(Order(1, "f.yaml", {}, "nowhere", 1))
        executor.wait(lambda event: None)
        [worker] = executor._workers
    assert worker.process.exitcode is not None


def test_a_member_that_is_stopped_is_pruned_and_its_process_trains_the_next():
    results: list[tuple[str, str | None]] = []

    def stopping(event: Event) -> None:
        if isinstance(event, Ended):
            results.append((event.result.state, event.result.reason))
        else:
            executor.stop(event.number, f"member {event.number} is too bad")

    with LocalProcesses(made_up_members.reporting_until_stopped, 1) as executor:
        for number in (1, 2):
            executor.submit(Order(number, "f.yaml", {}, "nowhere", 1))
            while len(results) < number:
                executor.wait(stopping)
        assert len(executor._workers) == 1
    assert results == [("pruned", "member 1 is too bad"), ("pruned", "member 2 is too bad")]
