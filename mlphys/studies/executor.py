"""Who trains the members of a study: the interface, and the executor that trains them in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self


@dataclass(frozen=True)
class Order:
    """A member to train, or to resume: plain data, which another machine understands as well.

    `config` is its document, `source` what messages call it; `evaluate` are the splits that are measured on
    beside validation.
    """

    number: int
    source: str
    config: Mapping[str, Any]
    directory: str
    threads: int
    evaluate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How a member ended: `state` is "done", "diverged", "failed", "pruned" or "interrupted", with the reason.

    `moved` says of a member that was resumed whether its checkpoint was used, and if not, why.
    """

    state: str
    reason: str | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    stopped: str | None = None
    seconds: float | None = None
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    environment: Mapping[str, Any] | None = None
    moved: str | None = None


@dataclass(frozen=True)
class Epoch:
    """The end of an epoch of a member, of so many in this phase."""

    number: int
    phase: str
    epoch: int
    epochs: int
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """The end of a member."""

    number: int
    result: Result


Event = Epoch | Ended
Report = Callable[[Event], None]  # to the one who trains it raises Stopped where the member is not to go on
Train = Callable[[Order, Report], Result]  # what is done with an order, wherever that is


class OtherThreads(Exception):
    """TensorFlow was started with another number of threads in this process; the order needs a fresh one."""


class Stopped(Exception):
    """Raised in the training of a member that was stopped; the text is the reason."""


class Executor(Protocol):
    """Trains members, `slots` of them at once. Leaving it ends what is under way, with a checkpoint where it can."""

    name: ClassVar[str]

    @property
    def slots(self) -> int: ...

    def submit(self, order: Order) -> None:
        """Begin with a member; not more are under way than there are slots."""

    def stop(self, number: int, reason: str) -> None:
        """Stop a member that is under way at the next epoch that it reports; it ends as "pruned"."""

    def wait(self, report: Report) -> None:
        """Wait until at least one thing has happened, and report all that has."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class InThisProcess:
    """One member after the other, in this process."""

    name: ClassVar[str] = "this process"
    slots = 1

    def __init__(self, train: Train):
        self._train = train
        self._orders: list[Order] = []
        self._stopped: dict[int, str] = {}

    def submit(self, order: Order) -> None:
        self._orders.append(order)

    def stop(self, number: int, reason: str) -> None:
        self._stopped[number] = reason

    def wait(self, report: Report) -> None:
        order = self._orders.pop(0)

        def reported(event: Event) -> None:
            report(event)
            if reason := self._stopped.pop(order.number, None):
                raise Stopped(reason)

        try:
            result = self._train(order, reported)
        except OtherThreads as error:
            result = Result("failed", f"{error}; train it with --workers 1, whose processes are fresh")
        self._stopped.pop(order.number, None)
        report(Ended(order.number, result))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass
