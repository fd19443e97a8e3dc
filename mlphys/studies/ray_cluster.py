"""A connection to a Ray cluster, or to one of this machine made for now."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mlphys import machine
from mlphys.errors import UserError

LOCAL = "local"
ANSWER = 10  # seconds that a cluster has to answer
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # of a client of gRPC, as Ray's is
SETTINGS = b"\x04"  # the kind of frame that a server of gRPC answers with


def require_installed() -> ModuleType:
    """Ray, without its usage statistics. Raises UserError where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its default from the next version on
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs the package ray; install it with pip install 'mlphys[ray]'") from None
    # it prints what its nodes complain of, a page for a node that is lost, to standard output between our lines
    ray._private.worker.print_to_stdstream = lambda *lines, **options: None
    return ray


@dataclass(frozen=True)
class Cluster:
    """A connected cluster."""

    ray: ModuleType

    def places(self, threads: int, gpus: float) -> int:
        """How many members with so many threads and GPUs its nodes take at once."""
        return sum(
            min(int(node.get("CPU", 0)) // threads, int(node.get("GPU", 0) / gpus) if gpus else sys.maxsize)
            for node in self._nodes()
        )

    def shares(self, members: int, workers: int | None, threads: int | None) -> tuple[int, int]:
        """How many members are trained at once and with how many threads each: together as many as there are cores.

        No member has more threads than the smallest node has cores, unless so many are requested.
        """
        cores = [int(node.get("CPU", 0)) for node in self._nodes() if int(node.get("CPU", 0))] or [1]
        if threads is None:
            threads = max(1, min(sum(cores) // min(workers or members, sum(cores)), min(cores)))
        return workers or max(1, min(members, self.places(threads, 0))), threads

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to the cluster at HOST:PORT, to the one of this machine ("auto"), or to one made for now ("local").

    Raises UserError for an address where no cluster answers.
    """
    _check(address)
    ray = require_installed()
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": machine.cores()} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="mlphys", **own)
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error).strip().partition("\n")[0].partition(". ")[0]
        raise UserError(f"--ray {address}: no Ray cluster answers: {text}; start one with `ray start --head`") from None
    finally:
        for each, handler in handlers.items():  # Ray puts its own in their place
            signal.signal(each, handler)
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Raise UserError for what is no address, and for one where no server such as Ray's answers; Ray waits for ever."""
    if address in (LOCAL, "auto"):
        return
    host, colon, port = address.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        raise UserError(
            f"--ray {address}: expected HOST:PORT, auto for the cluster of this machine, or local for one made for "
            "now; write --ray last, or --ray local, to name none"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER) as connection:
            connection.settimeout(ANSWER)
            connection.sendall(GREETING)
            answer = connection.recv(9)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"--ray {address}: nobody answers there ({reason}); name the address that `ray start --head` prints"
        ) from None
    if answer[3:4] != SETTINGS:
        raise UserError(
            f"--ray {address}: what answers there is no Ray cluster; name the address that `ray start --head` prints"
        )
