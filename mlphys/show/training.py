"""How a training ended, as text."""

from __future__ import annotations

from typing import Any

from mlphys.io.run_files import PAGE
from mlphys.numerics.uncertainty import rounded
from mlphys.show.evaluation import remarks_on


def trained(run: Any) -> str:
    """How training ended, the validation metrics, and the next command."""
    status, metrics = run.status, run.metrics.get("validation")
    why = {
        "early_stopping": "stopped early",
        "target": "reached its target",
        "epochs": "trained to its end",
    }[status["stopped"]]
    best = f", weights of epoch {status['best_epoch']}" if status["best_epoch"] else ""
    epochs = status["epochs"]
    if not run.config.model.ITERATIVE:
        ended = "computed, without epochs"
    elif not epochs:
        ended = "not trained: it has 0 epochs"
    else:
        ended = f"{why} after {epochs} epoch{'s' if epochs > 1 else ''}{best}"
    lines = [ended]
    if metrics:
        first = next(name for name in run.config.model.MEASURED if name in metrics)
        lines.append(f"validation {first} {rounded(metrics[first], metrics[f'{first}_stderr'])}")
        lines += [f"warning: validation: {remark}" for remark in remarks_on(run, metrics)]
    pictures = run.path / "figures"
    page = run.path / PAGE
    lines.append(f"run {run.path}" + (f", pictures in {pictures}" if pictures.is_dir() else ""))
    if page.is_file():
        lines.append(f"page {page}")
    lines.append(f"next: mlphys evaluate {run.path}")
    return "\n".join(lines)
