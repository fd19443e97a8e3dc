"""A config for data of the user's, for a new file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlphys.config import commented, proposal
from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import load_document
from mlphys.config.own_data import look
from mlphys.io import atomic
from mlphys.schema.document import parse
from mlphys.schema.suggestions import require_known
from mlphys.terminal import printable


@dataclass(frozen=True)
class New:
    """A file that is to be written, and what it says."""

    path: Path
    loaded: ResolvedExperiment
    text: str


def made(data: str | None, task: str | None, targets: Sequence[str], out: Path | None) -> New:
    """Look at the data, and make a config with reasons. Raises UserError, also where the new file is there already."""
    if task is not None:
        require_known("task", [task], list(proposal.TASKS))
    if out is not None:
        atomic.new(out)
    _, target_kind, needs_target = proposal.TASKS[task] if task else (None, None, True)
    own_data = look(data, targets, target_kind, needs_target)
    parts = proposal.propose(own_data, task or proposal.task_of(own_data))
    path = out or Path(f"{parts['name']}.yaml")
    atomic.new(path)
    head = (
        f"# {printable(path.name)}: made by `mlphys new`; every line may be changed, `mlphys explain KEY` says what it "
        f"means\n# mlphys train {printable(path)}\n"
    )
    text = head + commented.text(parts)
    loaded = load_document(parse(text, str(path)))
    return New(path, loaded, text)
