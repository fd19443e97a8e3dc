"""What an actor of a cluster does on its node: one member after the other, in a warm process."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mlphys
from mlphys.errors import UserError
from mlphys.studies import member_files, run_archive
from mlphys.studies.executor import Ended, Event, Order, Result, Train
from mlphys.studies.local_processes import LocalProcesses
from mlphys.studies.member_files import NeededFile

SHARE = 20  # an unfinished run is packed so seldom that it takes one part in so many of the time


@dataclass(frozen=True)
class Setting:
    """What a node takes over from the machine that conducts the study, whose version must be its own.

    `every` are the least seconds between two copies of an unfinished run that are sent back.
    """

    version: str
    command: tuple[str, ...]
    variables: frozenset[str]
    gpus: float
    every: float


@dataclass(frozen=True)
class Missing:
    """The files, by number, that a node needs before it begins."""

    files: tuple[int, ...]


@dataclass(frozen=True)
class Happened:
    """What happened to the member of a node, and its run as an archive: all of it at its end."""

    host: str
    events: tuple[Event, ...]
    run: bytes | None = None


class Node:
    """Trains a member at a time. `begin` and `events` wait for what happens, the others may be called meanwhile."""

    def __init__(self, train: Train, setting: Setting):
        _use_environment_of_study(setting)
        self._version, self._every = setting.version, setting.every
        self._folder = Path(tempfile.mkdtemp(prefix="mlphys-"))
        self._run = self._folder / "run"
        self._processes = LocalProcesses(train, 1)
        self._order: Order | None = None
        self._leaving = False
        self._packed_at, self._took, self._checkpoint = 0.0, 0.0, ""

    def begin(
        self, order: Order, run: bytes | None, files: Sequence[NeededFile], sent: Sequence[int], *contents: bytes
    ) -> Happened | Missing:
        """Begin with a member, or resume it from what there is of its run, once all files are there.

        Raises UserError where another version of mlphys is installed.
        """
        if self._version != mlphys.__version__:
            raise UserError(
                f"{platform.node()} has mlphys {mlphys.__version__}, and the study {self._version}; install the same"
            )
        try:
            for number, content in zip(sent, contents, strict=True):
                member_files.place(files[number], content)
            if left := member_files.missing(files):
                return Missing(tuple(left))
            shutil.rmtree(self._run, ignore_errors=True)
            if run:
                run_archive.unpack(run, self._run)
        except UserError as error:
            return self._happened(Ended(order.number, Result("failed", f"{platform.node()}: {error}")))
        self._order, self._packed_at, self._checkpoint = order, time.monotonic(), ""
        self._processes.submit(replace(order, directory=str(self._run)))
        return self.events()

    def events(self) -> Happened:
        """Wait until something happens."""
        order, events = self._order, list[Event]()
        assert order
        self._processes.wait(events.append)
        if not isinstance(events[-1] if events else None, Ended):
            return self._happened(*events, run=self._unfinished())
        ended = events.pop()
        assert isinstance(ended, Ended)
        result = Result("interrupted") if self._leaving else ended.result
        if result.reason:
            result = replace(result, reason=result.reason.replace(str(self._run), order.directory))
        content = run_archive.packed(self._run) if self._run.is_dir() else None
        self._order = None
        shutil.rmtree(self._run, ignore_errors=True)
        return self._happened(*events, Ended(order.number, result), run=content)

    def stop(self, number: int, reason: str) -> None:
        self._processes.stop(number, reason)

    def leave(self) -> None:
        """End: a member under way is interrupted after a checkpoint, which `events` then returns."""
        self._leaving = True
        if self._order:
            self._processes.interrupt()
        else:
            self._processes.__exit__()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _happened(self, *events: Event, run: bytes | None = None) -> Happened:
        return Happened(platform.node(), events, run)

    def _unfinished(self) -> bytes | None:
        """The run as far as it is, if it has a new checkpoint and none was sent just now."""
        now = time.monotonic()
        if now - self._packed_at < max(self._every, SHARE * self._took):
            return None
        folder = self._run / run_archive.CHECKPOINTS
        newest = max(os.listdir(folder), default="") if folder.is_dir() else ""
        if not newest or newest == self._checkpoint:
            return None
        content = run_archive.packed_unfinished(self._run)
        self._packed_at, self._checkpoint = time.monotonic(), newest
        self._took = self._packed_at - now
        return content


def _use_environment_of_study(setting: Setting) -> None:
    """Undo what Ray sets for its workers: trainings have the threads they are given, and GPUs only as requested."""
    sys.argv = list(setting.command)  # which a run records
    if "OMP_NUM_THREADS" not in setting.variables:
        os.environ.pop("OMP_NUM_THREADS", None)
    if not setting.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
