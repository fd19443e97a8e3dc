"""The kernel of a notebook, where there is one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol


class Shown(Protocol):
    """An output of a cell that can change."""

    def update(self, data: Mapping[str, str], *, raw: bool) -> None: ...


def has_notebook() -> bool:
    """Whether this process is the kernel of a notebook, and not a script or IPython in a terminal."""
    ipython: Any = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def shown(html: str, text: str) -> Shown:
    """Begin an output of the cell that runs: HTML, with text for what shows none."""
    from IPython.display import display

    handle: Shown = display(_both(html, text), raw=True, display_id=True)
    return handle


def update(output: Shown, html: str, text: str) -> None:
    output.update(_both(html, text), raw=True)


def _both(html: str, text: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": text}
