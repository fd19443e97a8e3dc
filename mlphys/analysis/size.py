"""Scaling laws (Hestness et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mlphys.errors import NotApplicable, UserError
from mlphys.figures import log_axis, theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

AXES = {"samples": "training samples", "parameters": "parameters", "seconds": "seconds of training"}
VARIED = 2.0  # smallest ratio of largest to smallest that counts as varied
SIGMAS = 2  # significance of an exponent for its line and text
METRICS = ("error_rate", "mse")


class Size(Analysis):
    """Scaling of the error of all runs in this run's folder with training samples, parameters and seconds.

    error = c N^-a (Hestness et al. 2017) over a study: all finished runs of this one's folder, on the same data.

        mlphys train mnist.yaml --set data.train=1000        again with 2000, 5000, ...
        mlphys train other.yaml --set name=mnist             another net joins the same folder

    a is the slope of a straight line through log error against log N by least squares, N the training samples, the
    parameters or the seconds of training, where the largest is at least twice the smallest; where several differ,
    each slope is that of all runs. No law is fitted where their training differs in more than its length, such as in
    the learning rate; seconds count where the epochs, or another size, differ.
    `metric: null` is error_rate of classes, else mse. `split: null` is test once this run was evaluated, before that
    validation; runs not measured on it are left out.
    """

    OF_ALL_RUNS: ClassVar[bool] = True

    metric: Literal["error_rate", "mse", "loss", "reconstruction_loss"] | None = None
    """The metric that is fitted; null is error_rate for classes, otherwise mse."""
    split: Literal["train", "validation", "test"] | None = None
    """The split on which it was measured; null is test once it was evaluated, otherwise validation."""

    def check(self, resolved: ResolvedView) -> None:
        known = resolved.experiment.model.MEASURED
        if not (set(known) & set(METRICS) if self.metric is None else self.metric in known):
            what = self.metric or "error"
            raise NotApplicable(
                f"kind: {resolved.experiment.model.kind} is measured by {', '.join(known)}; it has no {what}"
            )

    def measure(self, run: RunView) -> AnalysisResult:
        split = self.split or ("test" if "test" in run.metrics else "validation")
        known = run.metrics.get(split, {})
        metric: str | None = self.metric or next((name for name in METRICS if name in known), None)
        if metric is None or metric not in known:
            what = metric or "error"
            raise NotApplicable(
                f"its {split} split has no measured {what}; `mlphys evaluate {run.path} --split {split}` measures it"
            )
        study = run.study()
        pairs = [(one, member) for one in study if (member := _member(one, run.data, split, metric))]
        compared, members = [one for one, _ in pairs], [member for _, member in pairs]
        varied = [name for name in AXES if _varied([member[name] for member in members])]
        if varied == ["seconds"] and len({len(one.history) for one in compared}) == 1:
            varied = []  # the same work: only the machine was slower
        if not varied:
            folder, remedy = run.path.resolve().parent, "train more, such as with --set data.train=1000"
            if len(study) == 1:
                raise NotApplicable(f"it is the only run in {folder}; {remedy}")
            raise NotApplicable(
                f"of {len(study)} runs in {folder} {len(members)} can be compared, which differ in no size; {remedy}"
            )
        errors = [member["error"] for member in members]
        scanned = _scanned(compared)
        fitted = () if scanned else varied
        laws = {name: law for name in fitted if (law := _law([member[name] for member in members], errors))}
        numbers: dict[str, Any] = {
            "split": split, "metric": metric, "left_out": len(study) - len(members),
            "power_laws": laws, "scanned": scanned, "runs": members,
        }  # fmt: skip
        summary = f"{metric} of {len(members)} runs, from {max(errors):.3g} to {min(errors):.3g}"
        laws_text = [f"{AXES[name]}^({_power(law)})" for name, law in laws.items() if _seen(law)]
        summary += f", goes like {', like '.join(laws_text)}" if laws_text else ""
        summary += f"; no power law: they differ in {', '.join(scanned)}" if scanned else ""
        return AnalysisResult(numbers, f"{summary}; {split} split", [_picture(run.config.name, numbers, varied)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def _member(run: RunView, data: Mapping[str, Any], split: str, metric: str) -> dict[str, Any] | None:
    """The numbers of a run; None if it is unfinished, damaged, not evaluated or has other samples."""
    try:
        same = all(run.data[key] == data[key] for key in ("name", "shape", "classes", "target_shape"))
        measured = run.metrics.get(split, {})
        if not same or run.status["state"] != "done" or measured.get(metric) is None:
            return None
        return {
            "run": run.path.resolve().name,
            "samples": run.data["splits"]["train"]["samples"],
            "parameters": sum(math.prod(shape) for shape in run.loaded.weight_shapes().values()),
            "seconds": sum(row.get("seconds") or 0.0 for row in run.history),
            "error": measured[metric],
            "error_stderr": measured.get(f"{metric}_stderr"),
        }
    except UserError:
        return None


LENGTH = ("epochs", "steps_per_epoch", "early_stopping")  # keys of training that change its length only


def _scanned(runs: Sequence[RunView]) -> list[str]:
    """The keys of `training`, other than those of its length, in which the runs differ: no scaling with a size."""
    trainings = [run.config.training.model_dump(mode="json") for run in runs]
    keys = [key for key in trainings[0] if key not in LENGTH]
    return [f"training.{key}" for key in keys if any(one.get(key) != trainings[0][key] for one in trainings)]


def _varied(values: list[float]) -> bool:
    """Whether the values vary by the factor VARIED, all above zero."""
    return len(values) > 1 and min(values) > 0 and max(values) >= VARIED * min(values)


def _law(sizes: list[float], errors: list[float]) -> dict[str, Any] | None:
    """Exponent and factor of error = factor N^exponent; None unless all errors are positive.

    Two runs give no standard error of the exponent.
    """
    if min(errors) <= 0:
        return None
    x, y = np.log(sizes), np.log(errors)
    slope, start = np.polyfit(x, y, 1)
    spread = float(((x - x.mean()) ** 2).sum())
    left = float(((y - start - slope * x) ** 2).sum())
    stderr = math.sqrt(left / (len(x) - 2) / spread) if len(x) > 2 else None
    return {"exponent": float(slope), "exponent_stderr": stderr, "factor": math.exp(start)}


def _seen(law: dict[str, Any]) -> bool:
    """Whether the exponent is two standard errors from zero."""
    return abs(law["exponent"]) > SIGMAS * (law["exponent_stderr"] or 0)


def _power(law: dict[str, Any]) -> str:
    return rounded(law["exponent"], law["exponent_stderr"])


def _picture(name: str, numbers: dict[str, Any], varied: list[str]) -> Picture:
    members = numbers["runs"]
    caption = f"{numbers['split']} split of {len(members)} runs, each with its standard error"
    if any(map(_seen, numbers["power_laws"].values())):
        caption += "; a line where the power is two standard errors or more from 0"
    width, title = max(4.8 * len(varied), 8), f"{name}: error against size"
    figure, panels = theme.row(len(varied), width, 5.4, title, caption, sharey=True)
    for quantity, axes in zip(varied, panels, strict=True):
        _panel(axes, quantity, members, numbers["power_laws"].get(quantity))
    panels[0].set_ylabel(numbers["metric"], labelpad=10)
    return Picture("size", figure, {key: [member[key] for member in members] for key in members[0]})


def _panel(axes: Axes, quantity: str, members: list[dict[str, Any]], law: dict[str, Any] | None) -> None:
    sizes, errors = (np.array([member[key] for member in members], float) for key in (quantity, "error"))
    bars = np.array([member["error_stderr"] or 0.0 for member in members])
    axes.errorbar(sizes, errors, bars, fmt="o", color=theme.BLUE, markersize=6, elinewidth=1.5)
    axes.set(xscale="log", xlabel=AXES[quantity])
    scales: list[Axis] = [axes.xaxis]
    if errors.min() > 0:
        axes.set_yscale("log")
        scales.append(axes.yaxis)
    if law and _seen(law):
        ends = np.array([sizes.min(), sizes.max()])
        axes.plot(ends, law["factor"] * ends ** law["exponent"], color=theme.GREY, linewidth=1.5, zorder=1)
        axes.set_title(f"power {_power(law)}".replace("+-", "±"), loc="left", color=theme.GREY)
    for axis in scales:
        log_axis.label(axis)
    axes.grid(color=theme.PALE, linewidth=0.8)
