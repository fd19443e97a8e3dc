"""Landlock (Linux 5.13 and newer): a process gives up what it needs no more, for itself and all that it starts."""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
from collections.abc import Iterable

# The same numbers on every processor.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ONLY_VERSION = 1
NO_NEW_PRIVILEGES = 38  # of prctl
BENEATH = 1  # a rule for all that is below a folder, or for a file

READ_FILE, READ_DIR = 1 << 2, 1 << 3
# By the version that brings it: execute and open for writing, remove and make (1), link across folders (2),
# truncate (3), control devices (5).
CHANGES = {1: 0b1_1111_1111_0011, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
TCP = 0b11  # from version 4 on: listen, connect
OTHERS = 0b11  # from version 6 on: sockets without a file, and signals, of other processes


@functools.cache
def version() -> int:
    """What the kernel offers; 0 where there is no Landlock."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(CREATE_RULESET, None, 0, ONLY_VERSION))


def confine(readable: Iterable[str] | None = None) -> bool:
    """Give up changing files, starting programs, TCP and signals; with `readable`, opening files elsewhere too.

    What is open stays open. It holds for the thread that calls, and for what it starts, and cannot be lifted; a second
    call can only take more away. False, and nothing is given up, where the kernel has no Landlock.
    """
    if not (known := version()):
        return False
    reading = 0 if readable is None else READ_FILE | READ_DIR
    files = reading | sum(rights for since, rights in CHANGES.items() if since <= known)
    attributes = struct.pack("QQQ", files, TCP, OTHERS)[: 24 if known >= 6 else 16 if known >= 4 else 8]
    rules = _call(CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for path in readable or ():
            _allow(rules, path)
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and _call(RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str) -> None:
    """Let files at or below a path be read, if there is such a path."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE
        _call(ADD_RULE, rules, BENEATH, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """The result of a system call, -1 where it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(libc.syscall(ctypes.c_long(number), *passed))
