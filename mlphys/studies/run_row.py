"""The row of a run or a study in the table of all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mlphys.config.experiment import MODELS
from mlphys.errors import UserError
from mlphys.io.run_folder import STUDY
from mlphys.runs.run import Run
from mlphys.schema.document import dotted
from mlphys.studies.points import best, main_metric, points
from mlphys.studies.study_file import Study

Row = dict[str, Any]

SPLITS = ("test", "validation", "train")
BASELINES = ("majority_accuracy", "pca_mse", "mean_target_mse", "mean_image_mse", "corruption_mse")


def read(folder: Path) -> Row:
    """The row of a run or a study; of a damaged one the reason."""
    try:
        return _study(folder) if os.path.lexists(folder / STUDY) else _run(Run(folder))
    except UserError as error:
        return {"name": folder.parent.name, "state": "damaged", "reason": str(error)}


def _run(run: Run) -> Row:
    config, status, metrics = run.document.data, run.status, run.metrics
    started = run.environment.get("started") if run.folder.has("environment.json") else None
    seconds = sum(float(row.get("seconds") or 0) for row in run.history)
    measured = {f"{split}.{name}": value for split, each in metrics.items() for name, value in each.items()}
    return {
        **_leaves(config, ()),
        **{key: value for key, value in measured.items() if isinstance(value, int | float)},
        "name": _text(config, "name"),
        "kind": _text(config, "model", "kind"),
        "dataset": _text(config, "data", "name"),
        "state": status["state"],
        "epochs": status["epochs"],
        "seconds": round(seconds, 1),
        "started": started,
        **_main(metrics, _text(config, "model", "kind")),
    }


def _study(folder: Path) -> Row:
    content = Study(folder).read()
    done = sum(record.state == "done" for record in content.members)
    row = {
        **_leaves(content.config, ()),
        "name": content.name,
        "kind": "study",
        "dataset": _text(content.config, "data", "name"),
        "state": f"{done} of {content.total} done",
        "members": content.total,
        "seconds": round(sum(record.seconds or 0 for record in content.members), 1),
        "started": None,
    }
    metric = main_metric(content)
    chosen = points(content)[0] if len(points(content)) == 1 else best(content) if content.search else None
    estimate = chosen.metric(*metric) if chosen and metric else None
    if metric and estimate:
        row |= {"metric": ".".join(metric), "value": estimate.mean, "stderr": estimate.stderr}
    return row


def _main(metrics: dict[str, Any], kind: str | None) -> Row:
    """The main metric of a kind of model, on test if that is measured, and its baseline."""
    measured = MODELS[kind].MEASURED if kind in MODELS else ()
    for split in SPLITS:
        numbers = metrics.get(split, {})
        name = next((name for name in measured if f"{name}_stderr" in numbers), None)
        if name:
            baseline = next((numbers[each] for each in BASELINES if numbers.get(each) is not None), None)
            return {
                "metric": f"{split}.{name}",
                "value": numbers.get(name),
                "stderr": numbers[f"{name}_stderr"],
                "baseline": baseline,
            }
    return {}


def _text(config: Any, *keys: str) -> str | None:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config if isinstance(config, str) else None


def _leaves(value: Any, path: tuple[str | int, ...]) -> Row:
    """The values of a config by their dotted keys; a list of values is one value."""
    if isinstance(value, dict):
        return {key: leaf for part, each in value.items() for key, leaf in _leaves(each, (*path, str(part))).items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {key: leaf for part, each in enumerate(value) for key, leaf in _leaves(each, (*path, part)).items()}
    return {dotted(path): value}
