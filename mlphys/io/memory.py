"""How much memory a file may take: what is free, or what MLPHYS_MEMORY says."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlphys.errors import UserError

KEY = "MLPHYS_MEMORY"  # in GB
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def bound() -> int:
    """Bytes. Raises UserError where MLPHYS_MEMORY is no number."""
    text = os.environ.get(KEY)
    if not text:
        return free()
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0
    if not 0 < gigabytes < 1e6:
        raise UserError(f"{KEY}: expected a number of GB; received {text[:40]!r}; write {KEY}=16")
    return int(1e9 * gigabytes)


def free() -> int:
    """Bytes of memory that are free here, in this container too; all that there are where the system does not say."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if text := re.search(r"^MemAvailable:\s+(\d+) kB", _text(MEMINFO), re.MULTILINE):
        limits.append(1024 * int(text[1]))
    most, used = _text(CGROUP / "memory.max").strip(), _text(CGROUP / "memory.current").strip()
    if most.isdecimal() and used.isdecimal():
        limits.append(max(0, int(most) - int(used)))
    return min(limits)


def require(where: str, needed: int, remedy: str) -> None:
    """Raise UserError, which `where` begins, where so many bytes are more than the bound."""
    most = bound()
    if needed > most:
        raise UserError(
            f"{where}: takes {needed / 1e9:.3g} GB of memory, and {most / 1e9:.3g} GB may be used; {remedy}, "
            f"or raise the bound with {KEY}=GB"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
