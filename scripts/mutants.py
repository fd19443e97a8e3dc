"""Remove each guard in turn and run the tests that reach it: a guard that no test misses is a survivor.

make mutants                                                # goes on where it ended; an hour
python -m scripts.mutants --rooms io --most 50              # some
python -m scripts.mutants --slow --again tests/io           # what is left, also in processes that these tests start
python -m scripts.mutants --survivors                       # list them
python -m scripts.mutants --write                           # the counts into docs/security.md

Tests are collected and run once in this process, which notes the guards (scripts/guards.py) that each reaches.
Then for each guard a fork of it replaces the code of the one function and runs those tests, those of its module first,
then the quickest, until one fails that passes in a fork with all guards. Results are kept in tests/mutants.json; a
guard that has changed is tried again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from types import CodeType
from typing import IO, Any

from scripts.guards import ROOMS, Guard, all_guards, mutated, on_disk, replace
from scripts.marked_tables import ROOT, write_table

RESULTS, DOCUMENT = ROOT / "tests" / "mutants.json", ROOT / "docs" / "security.md"
MOST_TESTS = 500  # of a guard
SECONDS = 60  # of the processor, for all tests of a guard: one that takes more is caught by its time
WAITING = 16  # seconds that a fork may do nothing
MEMORY = 8_000_000_000  # bytes of address space
KILLED, SURVIVED, UNREACHED = "killed", "survived", "unreached"
# Tests of other names that reach a module in a process that they start.
NEAR: dict[str, tuple[str, ...]] = {"mlphys/io/formats/image.py": ("image_decoders", "image_files", "image_folder")}
DONE = "all passed"
NO_FUNCTION = "no function"  # was made of this code yet: one inside of another function


class Runner:
    """The plugin of pytest that, in place of running the tests once, runs them for each guard."""

    def __init__(self, wanted: Sequence[Guard], results: dict[str, Any], seconds: float, processes: bool):
        """With `processes` a guard is also removed where a test starts a process."""
        self.wanted, self.results, self.processes = wanted, results, processes
        self.until = time.monotonic() + seconds
        self.passes: dict[str, bool] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        reached = self._reached(session)
        for guard in self.wanted:
            if time.monotonic() > self.until:
                break
            tests = reached.get(f"{guard.path}:{guard.line}", [])
            result, test = self._tried(guard, _chosen(guard, tests or self._near(guard, reached)))
            if result == SURVIVED and not tests:  # what is near need not reach it
                result = UNREACHED
            self.results[guard.key] = {"result": result, "test": test} if test else {"result": result}
            RESULTS.write_text(json.dumps(self.results, indent=1, sort_keys=True) + "\n")
            print(f"{result} {guard.path}:{guard.line} {guard.text.splitlines()[0][:70]}", flush=True)
        return True

    def _reached(self, session: Any) -> dict[str, list[tuple[Any, float]]]:
        """By the place of each guard the tests that reach it, and how long each takes."""
        places = {}
        for guard in self.wanted:
            places.setdefault(str(ROOT / guard.path), set()).add(guard.line)
        found: dict[str, list[tuple[Any, float]]] = {}
        lines: set[tuple[str, int]] = set()

        def line(frame: Any, event: str, argument: Any) -> Any:
            if event == "line" and frame.f_lineno in places[frame.f_code.co_filename]:
                lines.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        def call(frame: Any, event: str, argument: Any) -> Any:
            return line if frame.f_code.co_filename in places else None

        for number, item in enumerate(session.items):
            lines.clear()
            began = time.monotonic()
            following = session.items[number + 1] if number + 1 < len(session.items) else None
            sys.settrace(call)
            try:
                reports = _run(item, following)
            finally:
                sys.settrace(None)
            if all(report.passed or report.skipped for report in reports):
                found.setdefault(item.path.stem, []).append((item, time.monotonic() - began))
                for path, at in lines:
                    place = f"{Path(path).relative_to(ROOT)}:{at}"
                    found.setdefault(place, []).append((item, time.monotonic() - began))
        return found

    def _near(self, guard: Guard, reached: dict[str, list[tuple[Any, float]]]) -> list[tuple[Any, float]]:
        """Tests that may reach it in a process that they start: those named after its module or its folder."""
        path = Path(guard.path)
        names = {f"test_{name}" for name in (path.stem, path.parent.name, *NEAR.get(guard.path, ()))}
        return [pair for name in sorted(names) for pair in reached.get(name, [])] if self.processes else []

    def _tried(self, guard: Guard, items: Sequence[Any]) -> tuple[str, str]:
        """Whether a test of these fails without the guard, and which.

        One that fails or waits in a fork with all guards too, as a test may that needs threads of TensorFlow, says
        nothing.
        """
        while items := [item for item in items if self.passes.get(item.nodeid, True)]:
            result, last = self._forked(guard, items)
            failed = next((item for item in items if item.nodeid == last), None)
            if result == SURVIVED or failed is None or (result == KILLED and self._passes(failed)):
                return result, last
            self.passes[last] = False
        return UNREACHED, ""

    def _passes(self, item: Any) -> bool:
        """Whether a test passes in a fork with all guards."""
        if item.nodeid not in self.passes:
            self.passes[item.nodeid] = self._forked(None, [item]) == (SURVIVED, "")
        return self.passes[item.nodeid]

    def _forked(self, guard: Guard | None, items: Sequence[Any]) -> tuple[str, str]:
        new = mutated(guard) if guard else None
        with on_disk(guard if self.processes else None):
            return self._heard(*_child(guard, new, items, not self.processes))

    def _heard(self, child: int, read: int) -> tuple[str, str]:
        """What a fork has told when it has ended, or when it and what it has started only wait."""
        ended, used, since = (0, 0), -1, time.monotonic()
        while ended == (0, 0) and time.monotonic() - since < WAITING:
            time.sleep(0.01)
            ended = os.waitpid(child, os.WNOHANG)
            if time.monotonic() - since > WAITING / 2 and (now := _ticks_of_session(child)) != used:
                used, since = now, time.monotonic()
        with contextlib.suppress(ProcessLookupError):  # also what it has started
            os.killpg(child, signal.SIGKILL)
        if waits := ended == (0, 0):
            os.waitpid(child, 0)
        with os.fdopen(read) as file:
            tests = file.read().splitlines()
        if tests == [NO_FUNCTION]:
            return UNREACHED, ""
        if tests[-1:] == [DONE] and ended[1] == 0:
            return SURVIVED, ""
        return UNREACHED if waits else KILLED, tests[-1] if tests else ""


def _ticks_of_session(leader: int) -> int:
    """Clock ticks of the processor that the processes of a session have used."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                ticks += int(fields[11]) + int(fields[12])
    return ticks


def _child(guard: Guard | None, new: CodeType | None, items: Sequence[Any], here: bool) -> tuple[int, int]:
    """A fork that runs the tests, and the pipe in which it tells of them; `here`: a guard must be one of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.close(read)
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        with os.fdopen(write, "w", buffering=1) as told:
            if guard and new and not replace(guard, new) and here:
                print(NO_FUNCTION, file=told)
            else:
                _run_all(items, told)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _chosen(guard: Guard, tests: list[tuple[Any, float]]) -> list[Any]:
    """Tests that take half of the time that a guard has: those of its module first, then the quickest."""

    def late(pair: tuple[Any, float]) -> tuple[bool, float]:
        return Path(guard.path).stem not in pair[0].path.stem, pair[1]

    chosen, total = [], 0.0
    for item, seconds in sorted(tests, key=late)[:MOST_TESTS]:
        total += seconds
        if total < SECONDS / 2 or not chosen:
            chosen.append(item)
    return chosen


def _run_all(items: Sequence[Any], told: IO[str]) -> None:
    """Tell each test before it runs, until one fails, and at the end that none did."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        print(item.nodeid, file=told)
        if any(report.failed for report in _run(item, following)):
            return
    print(DONE, file=told)


def _run(item: Any, following: Any) -> list[Any]:
    from _pytest.runner import runtestprotocol

    return list(runtestprotocol(item, nextitem=following, log=False))


def table(results: dict[str, Any]) -> str:
    """How many guards of each room are missed and survive, and below it those that survive with a reason."""
    lines = [
        "| room | guards | tried | a test fails without it | survived | survive with a reason | reached by no test |",
        "|---|---|---|---|---|---|---|",
    ]
    reasons = []
    for room in ROOMS:
        every = all_guards([room])
        tried = [guard for guard in every if guard.key in results]
        counts = Counter(results[guard.key]["result"] for guard in tried)
        excused = [guard for guard in tried if guard.reason and results[guard.key]["result"] == SURVIVED]
        numbers = [
            len(every), len(tried), counts[KILLED], counts[SURVIVED] - len(excused), len(excused), counts[UNREACHED]
        ]  # fmt: skip
        lines.append(f"| {room} | {' | '.join(map(str, numbers))} |")
        reasons += [
            f"<li><code>{escape(guard.text.rpartition(' #')[0])}</code> in <code>{guard.path}</code>, "
            f"{guard.function}: {escape(guard.reason)}</li>"
            for guard in excused
        ]
    if reasons:
        summary = "Guards that survive with a reason"
        lines += ["", "<details>", f"<summary>{summary}</summary>", "<ul>", *reasons, "</ul>", "</details>"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--most", type=int, help="so many guards")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--slow", action="store_true", help="with tests that start processes and train")
    parser.add_argument("--again", action="store_true", help="those that survived or were not reached too")
    parser.add_argument("--survivors", action="store_true", help="list those known, run nothing")
    parser.add_argument("--write", action="store_true", help="the counts into docs/security.md")
    parser.add_argument("tests", nargs="*", help="where tests are; by default all that train nothing")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments.survivors:
        for guard in all_guards(arguments.rooms):
            if (known := results.get(guard.key)) and known["result"] != KILLED:
                because = f" ({guard.reason})" if known["result"] == SURVIVED and guard.reason else ""
                print(f"{known['result']} {guard.path}:{guard.line} {guard.function}: {guard.text}{because}")
        return
    if arguments.write:
        write_table(DOCUMENT, "mutants", table(results))
        return
    left = [
        guard
        for guard in all_guards(arguments.rooms)
        if guard.key not in results or (arguments.again and results[guard.key]["result"] != KILLED)
    ]
    import pytest

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a guard that is removed on the disk is put back
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a guard that is removed on the disk stays in no compiled file
    where = arguments.tests or [str(ROOT / "tests")]
    left_out = ["configs", "soak", "property"] if arguments.slow else ["slow", "configs", "soak", "property", "hostile"]
    marked = " and ".join(f"not {marker}" for marker in left_out)
    # processes of this one that a fork forgets are warnings there
    plugins = ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    options = ["-q", *plugins, "-o", "faulthandler_timeout=0", "-m", marked]
    runner = Runner(left[: arguments.most], results, arguments.seconds, arguments.slow)
    pytest.main([*options, *where], plugins=[runner])


if __name__ == "__main__":
    main()
