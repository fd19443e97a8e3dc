"""Limits on the memory, time and files of a process that parses a stranger's file."""

from __future__ import annotations

import contextlib
import resource

RESERVE = 100_000_000  # bytes for the libraries


def hold(memory: int, seconds: int) -> None:
    """Limit this process to so many more bytes and seconds of processor time. It can write no file.

    Later calls set new limits.
    """
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CPU, _processor_time() + seconds)
    _limit(resource.RLIMIT_AS, mapped() + memory + RESERVE)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
        resource.setrlimit(kind, (most, hard))


def _processor_time() -> int:
    """Seconds of processor time of all threads, rounded down."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime)


def mapped() -> int:
    """Bytes of address space in use."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
