"""Members trained by processes of this machine, which import TensorFlow once and train one after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import ClassVar, Self

from mlphys.studies.executor import Ended, Event, Order, OtherThreads, Report, Result, Train

PATIENCE = 60  # seconds that a member gets to write its checkpoint when the study is interrupted


@dataclass
class _Worker:
    """A process, and what it trains."""

    process: BaseProcess
    connection: Connection
    order: Order | None = field(default=None)


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

    def wait(self, report: Report) -> None:
        busy = {worker.connection: worker for worker in self._workers if worker.order}
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            order = worker.order
            assert order
            try:
                said = worker.connection.recv()
            except (EOFError, OSError):
                self._lost(worker)
                report(Ended(order.number, Result("failed", _death(worker.process))))
                continue
            if said is None:  # it has TensorFlow with other threads
                self._lost(worker)
                self._give(self._started(), order)
                continue
            if isinstance(said, Ended):
                worker.order = None
            report(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Ask all to end, and those that train to keep their last epoch; end by force what does not hear."""
        for worker in self._workers:
            if worker.order and worker.process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGTERM)
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
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, order: Order) -> None:
        worker.order = order
        with contextlib.suppress(OSError):  # it is dead, which `wait` finds
            worker.connection.send(order)

    def _lost(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _death(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code >= 0:
        return f"its process ended with code {code}"
    by = signal.Signals(-code).name
    memory = ", as the system does when memory runs out; use fewer --workers" if by == "SIGKILL" else ""
    return f"its process was ended by {by}{memory}"


def _work(train: Train, connection: Connection) -> None:
    """The life of a process: orders in, events out, until the connection is closed or the study's process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the study's tells us
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()

    def report(event: Event) -> None:
        connection.send(event)

    try:
        while True:
            order = connection.recv()
            try:
                result = train(order, report)
            except OtherThreads:
                connection.send(None)
                return
            except Exception as error:  # a bug, which is the study's to tell
                traceback.print_exc()
                result = Result("failed", f"{type(error).__name__}: {error}")
            report(Ended(order.number, result))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        os._exit(0)  # TensorFlow's threads may still be busy with the rest of a chunk


def _end_with(join: Callable[[], None]) -> None:
    """End this process, wherever it is, when the study's has ended: it would train a run that nobody waits for."""
    join()
    os._exit(1)
