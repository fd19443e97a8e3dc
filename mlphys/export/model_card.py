"""A page about an exported net: what it is, what it was trained on, how good it is, what goes in and comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import mlphys
from mlphys.export.exporting import Exported
from mlphys.export.outputs import WHOLE
from mlphys.numerics.metric_names import MEANINGS
from mlphys.numerics.uncertainty import rounded
from mlphys.runs.run import Run
from mlphys.schema.document import flow
from mlphys.schema.layers import text
from mlphys.schema.units import Units
from mlphys.terminal import printable

FIRST_METRICS = 6
MOST_NAMES = 50


def model_card(exported: Exported) -> str:
    """The page in Markdown."""
    parts = (_what, _inputs, _data, _numbers, _limits)
    return "\n".join(line for part in parts for line in part(exported, exported.run)) + "\n"


def _what(exported: Exported, run: Run) -> Iterator[str]:
    model = run.config.model
    part = "net" if exported.part == WHOLE else exported.part
    yield f"# {exported.path.name}"
    yield ""
    yield (
        f"The {part} of {run.name}, kind: {model.kind}, {_count(run):,} numbers, by mlphys {mlphys.__version__}. "
        f"Opened by {exported.program}, it gives the run's numbers for {exported.samples} {exported.split} samples to "
        f"{exported.difference:.1g} of the largest value."
    )
    yield from ("", "| layer | output |", "|---|---|")
    yield from (f"| {row.name} | {text(row.output_shape)} |" for row in run.rows)
    yield ""


def _count(run: Run) -> int:
    return int(sum(np.prod(shape) for shape in run.loaded.weight_shapes().values()))


def _inputs(exported: Exported, run: Run) -> Iterator[str]:
    yield from ("## Inputs and outputs", "")
    yield f"- input `x`: float32 (n, {_size(exported.input_shape)}), {_input_meaning(exported, run)}"
    for name, shape in exported.output_shapes.items():
        size = f"n, {_size(shape)}" if shape else "n"
        yield f"- output `{name}`: float32 ({size}){_output_meaning(name, shape, run)}"
    yield ""
    steps = [flow(step) for step in run.config.data.model_dump()["preprocess"]]
    if steps and exported.part != "decoder":
        yield f"Preprocessing, fitted to the training samples, is part of the file: {', '.join(steps)}."
    else:
        yield "There is no preprocessing."
    yield ""


def _size(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _input_meaning(exported: Exported, run: Run) -> str:
    if exported.part == "decoder":
        return "codes"
    low_high = run.data["splits"]["train"].get("range")
    span = f"; the training samples have {low_high[0]:g} to {low_high[1]:g}" if low_high else ""
    facts = run.data["units"]
    units = f"the numbers of the data file ({Units.from_json(facts)})" if facts else "as the dataset gives them"
    names = run.config.data.feature_names()
    columns = f"; the columns {_listed(names)}" if names else ""
    axes = {3: "; height, width, channels", 2: "; steps, channels"}.get(len(exported.input_shape), "")
    return f"{units}{axes}{columns}{span}"


def _output_meaning(name: str, shape: tuple[int, ...], run: Run) -> str:
    if name == "probabilities":
        classes = run.description.classes
        return f": of the class {classes[1]}" if shape == (1,) else f": of the classes {_listed(classes)}"
    if name == "outputs" and (targets := run.config.data.target_names()):
        return f": {_listed(targets)}, in the units of the targets"
    space = "" if run.preprocessing.invertible else ", after the last step of preprocessing that has no inverse"
    return {
        "codes": ": the code",
        "reconstructions": f": in the units of the input{space}",
        "energies": ": of each class, high where a sample is plausible",
        "free_energies": ": F(v), low where a sample is plausible",
    }.get(name, "")


def _listed(names: Any) -> str:
    listed = ", ".join(printable(str(name)) for name in names[:MOST_NAMES])
    return listed + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _data(exported: Exported, run: Run) -> Iterator[str]:
    data, facts = run.config.data, run.data
    yield from ("## Data", "")
    yield f"{data.name}, licence: {type(data).LICENCE or 'not known to mlphys'}."
    yield from ("", "| split | samples | sha256 of the samples |", "|---|---|---|")
    yield from (f"| {name} | {split['samples']} | {split['sha256']} |" for name, split in facts["splits"].items())
    yield ""
    if files := facts["files"]:
        yield from ("| file | bytes | sha256 |", "|---|---|---|")
        yield from (f"| {_base(file['path'])} | {file['bytes']} | {file['sha256']} |" for file in files)
        yield ""


def _base(path: Any) -> str:
    return _in_cell(printable(str(path).rpartition("/")[2]))


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _numbers(exported: Exported, run: Run) -> Iterator[str]:
    yield from ("## Numbers", "")
    if not run.metrics:
        yield "It was not evaluated."
    for split, metrics in run.metrics.items():
        yield f"On {metrics['samples']} {split} samples, one trained net, with standard errors over these samples:"
        yield from ("", "| metric | value | what it is |", "|---|---|---|")
        names = [name for name in run.config.model.MEASURED if metrics.get(name) is not None]
        yield from (f"| {name} | {_value(metrics, name)} | {_in_cell(MEANINGS[name])} |" for name in names)
        yield ""


def _value(metrics: Mapping[str, Any], name: str) -> str:
    return rounded(metrics[name], metrics.get(f"{name}_stderr"))


def _limits(exported: Exported, run: Run) -> Iterator[str]:
    yield from ("## Limits", "")
    yield (
        "- It knows the samples above and nothing else: other instruments, units, noise or preparation of the data can "
        "give confident nonsense."
    )
    if "probabilities" in exported.output_shapes:
        yield "- Its probabilities are not calibrated beyond what `nll` and `ece` say, and every input gets a class."
    if run.metrics and "test" not in run.metrics:
        yield "- Its test split was not looked at; where training chose by validation, those numbers are too good."
    yield f"- Experiment, weights and history: the run {run.name}, seed {run.config.seed}."
