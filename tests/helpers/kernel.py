"""The kernel of a notebook, as Jupyter runs it, without a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 120  # seconds for one message


@dataclass
class Cell:
    """What the outputs of a cell are: printed text, data by MIME type in their last state, and the error if any."""

    printed: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: tuple[str, list[str]] | None = None


class Kernel:
    def __init__(self, manager: Any, client: Any):
        self._manager, self._client = manager, client

    def run(self, code: str, interrupt_after: int | None = None) -> Cell:
        """Run a cell; with `interrupt_after`, interrupt it when an output has changed so often."""
        request, cell, changes = self._client.execute(code), Cell(), 0
        places: dict[str, int] = {}
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            identity = content.get("transient", {}).get("display_id", "")
            if kind == "stream":
                cell.printed += content["text"]
            elif kind in ("display_data", "execute_result"):
                places[identity] = len(cell.outputs)
                cell.outputs.append(content["data"])
            elif kind == "update_display_data":
                cell.outputs[places[identity]] = content["data"]
                changes += 1
                if changes == interrupt_after:
                    self._manager.interrupt_kernel()
            elif kind == "error":
                cell.error = content["ename"], content["traceback"]
            elif kind == "status" and content["execution_state"] == "idle":
                return cell


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A new kernel that works in `folder`."""
    from jupyter_client import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
