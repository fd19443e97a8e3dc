"""Members trained by processes of this machine, which import TensorFlow once and train one after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Self

from mlphys.studies.executor import Ended, Event, Order, OtherThreads, Report, Result, Stopped, Train

GROWTH = 1.1
FEWEST = 10  # members before a process is replaced: its start takes as long as some of them
PATIENCE = 60  # seconds that a member gets to write its checkpoint when the study is interrupted


@dataclass
class _Worker:
    """A process, and what it trains."""

    process: BaseProcess
    connection: Connection
    order: Order | None = None
    trained: int = 0
    memory: int = 0  # bytes after its first member


@dataclass(frozen=True)
class _Stop:
    """Sent to a process: the member is not to be trained any further."""

    number: int
    reason: str


class LocalProcesses:
    """As many warm processes as there are slots; one that died is replaced, and its member has failed."""

    name: ClassVar[str] = "processes"

    def __init__(self, train: Train, slots: int):
        """`train` is a function of a module, which the processes import."""
        self.slots = slots
        self._train = train
        self._context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not outlive a fork
        self._workers: list[_Worker] = []

    def submit(self, order: Order) -> None:
        worker = next((worker for worker in self._workers if worker.order is None), None) or self._started()
        self._give(worker, order)

    def stop(self, number: int, reason: str) -> None:
        for worker in self._workers:
            if worker.order and worker.order.number == number:
                with contextlib.suppress(OSError):
                    worker.connection.send(_Stop(number, reason))

    def wait(self, report: Report) -> None:
        busy = {worker.connection: worker for worker in self._workers if worker.order}
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            order = worker.order
            assert order
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._lost(worker)
                report(Ended(order.number, Result("failed", _death(worker.process))))
                continue
            if message is None:  # it has TensorFlow with other threads
                self._lost(worker)
                self._give(self._started(), order)
                continue
            if isinstance(message, Ended):
                worker.order = None
                self._replaced_if_grown(worker)
            report(message)

    def __enter__(self) -> Self:
        return self

    def interrupt(self) -> None:
        """End the processes that train, after a checkpoint of their last epoch."""
        for worker in self._workers:
            if worker.order and worker.process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGTERM)

    def __exit__(self, *error: object) -> None:
        """End all processes, by force those that do not end by themselves."""
        self.interrupt()
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._train, theirs), daemon=True)
        with _without_main():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, order: Order) -> None:
        worker.order = order
        with contextlib.suppress(OSError):  # it is dead, which `wait` finds
            worker.connection.send(order)

    def _replaced_if_grown(self, worker: _Worker) -> None:
        """TensorFlow keeps something of each network: a process that has grown ends, and another takes over."""
        memory = _resident(worker.process.pid)
        worker.trained += 1
        worker.memory = worker.memory or memory
        if worker.trained >= FEWEST and memory > GROWTH * worker.memory:
            self._lost(worker)

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """A process that is started in here does not import the program that starts it.

    It needs nothing of that, and the whole of a script that trains a study would run again in each of them.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _resident(process: int | None) -> int:
    """Bytes of memory that a process has; 0 where the system does not report it."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _death(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code >= 0:
        return f"its process ended with code {code}"
    by = signal.Signals(-code).name
    memory = ", as the system does when memory runs out; use fewer --workers" if by == "SIGKILL" else ""
    return f"its process was ended by {by}{memory}"


def _work(train: Train, connection: Connection) -> None:
    """The life of a process: orders in, events out, until the connection is closed or the study's process is gone."""
    # Ctrl-C goes to all processes of a terminal; the study's process ends us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()

    try:
        while True:
            order = connection.recv()
            if isinstance(order, _Stop):  # its member had just ended
                continue
            try:
                result = train(order, _reporting(connection, order.number))
            except OtherThreads:
                connection.send(None)
                return
            except Exception as error:  # a bug: the study reports it
                traceback.print_exc()
                result = Result("failed", f"{type(error).__name__}: {error}")
            connection.send(Ended(order.number, result))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        os._exit(0)  # TensorFlow's threads may still be busy with the rest of a chunk


def _reporting(connection: Connection, number: int) -> Report:
    """Sends the events of a member, and raises Stopped where the answer is that it is not to go on."""

    def report(event: Event) -> None:
        connection.send(event)
        while connection.poll():
            try:
                stop = connection.recv()
            except EOFError:
                raise KeyboardInterrupt from None  # the study's process is gone
            if stop.number == number:
                raise Stopped(stop.reason)

    return report


def _end_with(join: Callable[[], None]) -> None:
    """End this process, wherever it is, when the study's has ended: it would train a run that nobody waits for."""
    join()
    os._exit(1)
