"""A case, tried in a folder of its own: what came out, and all that is wrong about it."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import resource
import sys
import tempfile
import traceback
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlphys import terminal
from mlphys.cli import main
from tests.hostile import watch
from tests.hostile.case import Case

LONGEST = terminal.LONGEST_MESSAGE + 200  # with the line of the usage
HASHED = 2_000_000  # bytes; larger files are compared by their size and times
SPACES = "\n\t"
WORK = "here"  # the working folder of a case

State = dict[str, tuple[object, ...]]


class Place:
    """The folders around a case: `work`, where it runs, `mine`, which it has nothing to do with, home, temporary."""

    def __init__(self, folder: Path):
        self.folder = Path(os.path.realpath(folder))
        self.work, self.mine = self.folder / WORK, self.folder / "mine"
        self.home, self.temporary = self.folder / "home", self.folder / "tmp"
        for each in (self.work, self.mine, self.home, self.temporary):
            each.mkdir()
        (self.mine / "thesis.txt").write_text("years of work")
        (self.mine / "secret.csv").write_text("x,y\n1,2\n3,4\n")

    @contextmanager
    def entered(self, variables: dict[str, str]) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.work)
            patch.setattr(tempfile, "tempdir", str(self.temporary))
            patch.setattr(sys, "dont_write_bytecode", True)  # a module that is imported for the first time
            surroundings = {"HOME": self.home, "TMPDIR": self.temporary, "XDG_CACHE_HOME": self.home / ".cache"}
            for name, value in {**surroundings, **variables}.items():
                patch.setenv(name, str(value))
            yield

    def state(self) -> State:
        """Kind, size, time of change, and content or target of everything in the working folder and in `mine`."""
        found = {}
        for root in (self.work, self.mine):
            for folder, folders, files in os.walk(root):
                for name in folders + files:
                    path = os.path.join(folder, name)
                    found[os.path.relpath(path, self.folder)] = _facts(path)
        return found


def _facts(path: str) -> tuple[object, ...]:
    facts = os.lstat(path)
    if os.path.islink(path):
        return ("link", os.readlink(path))
    if os.path.isdir(path):
        return ("folder", facts.st_mode)
    if os.path.isfile(path) and facts.st_size <= HASHED and os.access(path, os.R_OK):
        return (facts.st_mode, facts.st_mtime_ns, hashlib.sha256(Path(path).read_bytes()).hexdigest())
    return (facts.st_mode, facts.st_mtime_ns, facts.st_size)


def processor_time() -> float:
    """Seconds that this process and those that it has started and that have ended have taken."""
    ours, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


class Memory:
    """The most that this process has taken on since then, in bytes; 0 where the system does not tell."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is taken now
        except OSError:
            self._before = None
        else:
            self._before = self._peak()

    def taken(self) -> int:
        return 0 if self._before is None else self._peak() - self._before

    @staticmethod
    def _peak() -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1000 if found else 0


def unseemly(text: str) -> list[str]:
    """The signs in a text that steer a terminal."""
    return sorted(
        {repr(sign) for sign in text if unicodedata.category(sign) in terminal.STEERING}
        - {repr(sign) for sign in SPACES + terminal.HARMLESS}
    )


def wrong(case: Case, folder: Path) -> list[str]:
    """Everything that is not as it must be, with what was said; nothing of a case that holds."""
    place = Place(folder)
    with place.entered(dict(case.variables)):
        case.prepare()
        before = place.state()
        memory, began = Memory(), processor_time()
        with watch.listening() as events:
            result = CliRunner().invoke(main, [str(each) for each in case.command])
        seconds, taken = processor_time() - began, memory.taken()
        after = place.state()
        found = watch.offences(events, [place.folder, *_caches()], [place.folder, *_caches()], place.mine)
    refused = result.exit_code == 2
    said = result.stderr if refused else result.output
    if result.exit_code not in ((0, 2) if case.code is None else (case.code,)):
        found.append(f"exit code {result.exit_code} in place of {case.code}")
    if result.exception and not isinstance(result.exception, SystemExit):
        found.append("".join(traceback.format_exception(result.exception)))
    if "Traceback" in result.output:
        found.append("a traceback")
    if (refused or case.code == 0) and not re.search(case.gist, said):
        found.append(f"does not say {case.gist!r}")
    if refused and (size := len(said.encode("utf-8", "replace"))) > LONGEST:
        found.append(f"a message of {size} bytes")
    if signs := unseemly(result.output):
        found.append(f"prints {', '.join(signs)}")
    if seconds > case.seconds:
        found.append(f"takes {seconds:.1f} s of processor time")
    if taken > case.memory:
        found.append(f"takes {taken / 1e6:.0f} MB")
    found += changed(before, after, case.changes)
    return [*found, f"said: {result.output[:3000]}"] if found else []


def changed(before: State, after: State, permitted: Sequence[str]) -> list[str]:
    """What a command made, changed or removed, apart from what it may."""
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    patterns = [f"{WORK}/{each}" for each in permitted]
    return [f"changes {name}" for name in sorted(names) if not any(fnmatch.fnmatch(name, each) for each in patterns)]


def _caches() -> list[Path]:
    """Where matplotlib keeps its fonts, once for all cases."""
    import matplotlib

    return [Path(os.path.realpath(matplotlib.get_cachedir())), Path(os.path.realpath(matplotlib.get_configdir()))]
