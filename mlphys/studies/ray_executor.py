"""Members trained on the nodes of a Ray cluster, without a shared file system."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import mlphys
from mlphys.errors import UserError
from mlphys.schema.document import Document
from mlphys.studies import member_files, run_archive
from mlphys.studies.executor import Ended, Order, Report, Result, Train
from mlphys.studies.local_processes import PATIENCE
from mlphys.studies.member_files import NeededFile
from mlphys.studies.ray_cluster import Cluster
from mlphys.studies.ray_node import Happened, Missing, Node, Setting

WAKE = 5.0  # seconds between two looks at the nodes while nothing happens
MOST_LOST = 3  # nodes that a member may lose
SENT_BACK = 10.0  # seconds between two copies of an unfinished run
CALLS = 4  # of an actor at the same time: it trains, and may be stopped meanwhile


@dataclass(frozen=True)
class Share:
    """What each member gets, and how many are trained at once at most."""

    workers: int
    threads: int
    gpus: float = 0.0


@dataclass
class _Sent:
    """An order on its way, the files it needs, and how often a node was lost with it."""

    order: Order
    files: tuple[NeededFile, ...]
    lost: int = 0


@dataclass(eq=False)
class _Worker:
    """An actor, what it trains, and the call that returns what happens next."""

    actor: Any
    sent: _Sent | None = None
    call: Any = None
    host: str = "a node"
    answered: bool = field(default=False)


class RayNodes:
    """An actor for each member under way, with its cores and GPUs. One whose node is lost begins again elsewhere."""

    name: ClassVar[str] = "ray"

    def __init__(self, cluster: Cluster, train: Train, share: Share, every: float | None = None):
        """`train` is a function of a module, which the nodes import. Raises UserError where no node is large enough."""
        self._cluster, self._share = cluster, share
        self._ray: Any = cluster.ray
        self._contents: dict[NeededFile, Any] = {}
        self._waiting: deque[_Sent] = deque()
        self._failed: deque[Ended] = deque()
        self._workers: list[_Worker] = []
        self._start_failures = 0
        setting = Setting(
            mlphys.__version__,
            tuple(sys.argv),
            frozenset(os.environ),
            share.gpus,
            SENT_BACK if every is None else every,
        )
        actor = self._ray.remote(Node)
        resources = {"num_cpus": share.threads, "num_gpus": share.gpus}
        self._begun = lambda: actor.options(**resources, max_concurrency=CALLS).remote(train, setting)
        self.slots = self._places()

    def submit(self, order: Order) -> None:
        try:
            document, files = member_files.needed(Document(order.config, order.source, {}))
        except UserError as error:
            self._failed.append(Ended(order.number, Result("failed", str(error))))
            return
        self._waiting.append(_Sent(replace(order, config=document.data), files))
        self._dispatch()

    def stop(self, number: int, reason: str) -> None:
        for worker in self._workers:
            if worker.sent and worker.sent.order.number == number:
                worker.actor.stop.remote(number, reason)

    def wait(self, report: Report) -> None:
        while self._failed:
            report(self._failed.popleft())
            return
        while True:
            self._dispatch()
            calls = {worker.call: worker for worker in self._workers if worker.sent}
            ready, _ = self._ray.wait(list(calls), num_returns=1, timeout=WAKE)
            for call in ready:
                self._heard(calls[call], report)
            if ready:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End all actors; those that train send back what they have."""
        left = [worker.actor.leave.remote() for worker in self._workers if worker.answered]
        with contextlib.suppress(self._ray.exceptions.RayError, UserError):
            self._keep_last()
            if left:
                self._ray.wait(left, num_returns=len(left), timeout=PATIENCE)
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers.clear()

    def _keep_last(self) -> None:
        """Write what members under way send back at their end."""
        busy = {worker.call: worker for worker in self._workers if worker.sent and worker.answered}
        until = time.monotonic() + PATIENCE
        while busy and (seconds := until - time.monotonic()) > 0:
            ready, _ = self._ray.wait(list(busy), num_returns=1, timeout=seconds)
            for call in ready:
                worker, answer = busy.pop(call), self._ray.get(call)
                if isinstance(answer, Missing):
                    continue
                self._keep(worker, answer)
                if not any(isinstance(event, Ended) for event in answer.events):  # an epoch before
                    busy[worker.actor.events.remote()] = worker

    def _places(self) -> int:
        """How many members fit into the cluster at once. Raises UserError where none does."""
        places = self._cluster.places(self._share.threads, self._share.gpus)
        if not places:
            gpus = f" and {self._share.gpus:g} GPUs" if self._share.gpus else ""
            raise UserError(
                f"--ray: no node of the cluster has {self._share.threads} cores{gpus} for a member; "
                "add a node, or give members fewer --threads or --gpus"
            )
        return max(1, min(self._share.workers, places))

    def _dispatch(self) -> None:
        """Give what waits to an idle actor, or to a new one as long as there are places."""
        while self._waiting:
            idle = next((worker for worker in self._workers if not worker.sent), None)
            if idle is None and len(self._workers) >= self.slots:
                return
            if idle is None:
                idle = _Worker(self._begun())
                self._workers.append(idle)
            idle.sent = self._waiting.popleft()
            self._begin(idle, idle.sent, ())

    def _begin(self, worker: _Worker, sent: _Sent, files: tuple[int, ...]) -> None:
        """Send the order with what there is of its run, and the content of these files."""
        content = [self._content(sent.files[number]) for number in files]
        folder = Path(sent.order.directory)
        run = run_archive.packed_unfinished(folder) if (folder / "config.yaml").exists() else None
        worker.call = worker.actor.begin.remote(sent.order, run, sent.files, files, *content)

    def _content(self, file: NeededFile) -> Any:
        """The content of a file, put into the cluster once."""
        if file not in self._contents:
            self._contents[file] = self._ray.put(Path(file.path).read_bytes())
        return self._contents[file]

    def _heard(self, worker: _Worker, report: Report) -> None:
        assert worker.sent
        try:
            answer = self._ray.get(worker.call)
        except self._ray.exceptions.RayTaskError as error:
            self._raised(worker, error, report)
            return
        except self._ray.exceptions.RayError as error:
            self._lost(worker, error, report)
            return
        worker.answered = True
        if isinstance(answer, Missing):
            self._begin(worker, worker.sent, answer.files)
            return
        sent = worker.sent
        self._keep(worker, answer)
        for event in answer.events:
            if isinstance(event, Ended):
                worker.sent = None
                event = Ended(event.number, _moved(event.result, sent))
            report(event)
        if worker.sent:
            worker.call = worker.actor.events.remote()

    def _keep(self, worker: _Worker, answer: Happened) -> None:
        """Write what came back of a run."""
        assert worker.sent
        worker.host = answer.host
        if answer.run:
            run_archive.unpack(answer.run, Path(worker.sent.order.directory))

    def _lost(self, worker: _Worker, error: Exception, report: Report) -> None:
        """An actor is gone with its node, or could not be made: its member begins again elsewhere."""
        sent = worker.sent
        assert sent
        self._workers.remove(worker)
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        sent.lost += 1
        if sent.lost > MOST_LOST:
            text = f"{worker.host} was lost, and {MOST_LOST} nodes before it: {reason}"
            report(Ended(sent.order.number, Result("failed", text)))
            return
        self._waiting.appendleft(sent)
        self.slots = self._places()

    def _raised(self, worker: _Worker, error: Exception, report: Report) -> None:
        """A node raised something: what a user can mend is reported as it is, and a bug by the member that had it."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, UserError):
            raise cause from None
        assert worker.sent
        number, worker.sent = worker.sent.order.number, None
        report(Ended(number, Result("failed", f"{worker.host}: {type(cause or error).__name__}: {cause or error}")))


def _moved(result: Result, sent: _Sent) -> Result:
    """The result, with what became of a member whose node was lost."""
    if not sent.lost:
        return result
    how = result.moved or "trained from its start: none of its checkpoints had come back"
    return replace(result, moved=f"its node was lost; {how}")
