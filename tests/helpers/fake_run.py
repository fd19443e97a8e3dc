"""Run directories written without training, for tests that need no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlphys.config.load import load
from mlphys.runs.writer import RunWriter, create


def write(config: Path) -> Path:
    """Write a finished run of `config` under runs/ with all weights 1, without reading samples."""
    loaded = load(config)
    known, data = loaded.description, loaded.experiment.data
    sizes = {name: getattr(data, name) for name in ("train", "validation", "test")}
    facts = {
        "name": data.name,
        "shape": known.shape,
        "classes": known.classes,
        "samples": known.samples,
        "test_samples": known.test_samples,
        "target_shape": known.target_shape,
        "splits": {name: {"samples": size, "class_counts": {}, "sha256": ""} for name, size in sizes.items()},
        "files": [],
    }
    writer = RunWriter(create(loaded.experiment.name, None))
    writer.begin(loaded.experiment.model_dump(), facts)
    shapes = loaded.weight_shapes() | loaded.fitted_shapes()
    writer.weights({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    writer.status("done", stopped="epochs")
    return writer.path
