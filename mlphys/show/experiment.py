"""What a config says, as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlphys.config.experiment import ResolvedExperiment
from mlphys.schema.document import flow
from mlphys.schema.layers import text
from mlphys.show.table import table
from mlphys.training.backend import choose


def explained(loaded: ResolvedExperiment) -> str:
    """The layers with shapes, weights and receptive fields, and the cost."""
    rows = loaded.rows()
    layers = table(
        ["layer", "output", "parameters", "receptive field"],
        [["input", text(loaded.net_input.shape), 0, ""]]
        + [
            [
                row.name,
                text(row.output_shape),
                row.parameters(),
                text(row.receptive_field) if row.receptive_field else "all",
            ]
            for row in rows
        ],
    )
    data = loaded.experiment.data
    parameters = sum(math.prod(shape) for shape in loaded.weight_shapes().values())
    sizes = f"{data.train} training, {data.validation} validation, {data.test} test samples"
    parts = [
        layers,
        "\n".join([f"{parameters} parameters; {sizes} of {data.name}", *_pretrained(loaded)]),
        f"cost = {loaded.cost()}",
    ]
    if loaded.experiment.model.ITERATIVE:
        parts.append("\n".join([f"optimizer: {_optimizer(loaded)}", *_steps(loaded)]))
    return "\n\n".join(parts)


def _steps(loaded: ResolvedExperiment) -> Iterable[str]:
    """The backend that trains each phase on a CPU, and why a faster one cannot."""
    experiment = loaded.experiment
    plans = experiment.model.plans(experiment.training, loaded.net_input)
    choices = {plan.name: str(choose(plan, loaded.net_input.samples)) for plan in plans}
    if len(set(choices.values())) == 1:
        yield next(iter(choices.values()))
    elif choices:
        yield from (f"{name}: {text}" for name, text in choices.items())


def _pretrained(loaded: ResolvedExperiment) -> Iterable[str]:
    """The runs, or the file, that provide pretrained weights."""
    encoder, initial = loaded.experiment.model.pretrained_encoder(), loaded.experiment.training.initial
    if initial:
        yield f"all parameters begin as in {initial.run or initial.file}"
    if encoder:
        rows = loaded.pretrained_rows()
        encoder_text = f"the encoder's {sum(row.parameters() for row in rows)} parameters"
        origin = "" if initial else f" are those of {encoder.run} and"
        yield f"{encoder_text}{origin} are {'trained on' if encoder.trainable else 'not trained'}"


def _optimizer(loaded: ResolvedExperiment) -> str:
    ((name, settings),) = loaded.experiment.training.model_dump()["optimizer"].items()
    return f"{name} " + ", ".join(f"{key} {flow(value)}" for key, value in settings.items() if value is not None)


def differing(differences: Sequence[tuple[str, Any, Any]]) -> str:
    """One line per key, `key: first -> second`; null where a key is missing."""
    lines = [f"{key}: {flow(first)} -> {flow(second)}" for key, first, second in differences]
    return "\n".join(lines) or "no difference"
