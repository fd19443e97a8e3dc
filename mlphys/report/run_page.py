"""The page of a run, made from the files it has; what is missing or damaged is named on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mlphys.errors import UserError
from mlphys.numerics.verdicts import not_learned
from mlphys.report import curves, dataset, experiment, live, mistakes, network, numbers, pictures, provenance
from mlphys.report.html import Html, element, joined
from mlphys.report.page import Section, page
from mlphys.runs import evaluations, page_samples
from mlphys.runs.evaluations import Evaluation
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.run import Run

Found = TypeVar("Found")


@dataclass(frozen=True)
class PublishedNumber:
    """A published number of the main metric: `text` has its source, `pull` says how far the run is from it."""

    metric: str
    text: str
    pull: str


def written(run: Run, published: Sequence[PublishedNumber] = ()) -> str:
    """The page of a run. Raises UserError where its config.yaml, data.json or status.json cannot be read."""
    config, status = run.config, run.status
    missing: list[str] = []

    def attempt(make: Callable[[], Found]) -> Found | None:
        try:
            return make()
        except UserError as error:
            missing.append(str(error))
            return None

    snapshots = attempt(lambda: run.snapshots) or {}  # the net is alive without its past
    samples: PageSamples | None = attempt(lambda: page_samples.read(run))
    number = attempt(lambda: numbers.main(run))
    evaluated: list[Evaluation] = attempt(lambda: evaluations.read(run.folder)) or []
    makers: list[Callable[[], Section | None]] = [
        lambda: live.section(run, samples, snapshots),
        lambda: experiment.section(run),
        lambda: network.section(run),
        lambda: dataset.section(run, samples),
        lambda: curves.section(run),
        lambda: numbers.section(run, len(evaluated)),
        lambda: pictures.section(run),
        lambda: mistakes.section(run, samples) if samples else None,
        lambda: provenance.methods(run, number),
        lambda: provenance.environment(run),
    ]
    sections = [section for make in makers if (section := attempt(make))]
    sections.append(provenance.unsure(run, number, attempt(lambda: _remarks(run, evaluated)) or []))
    absent = attempt(lambda: _absent(run, samples)) or []
    missing += [text for text in absent if text not in missing]
    if missing:
        body = element("ul", [element("li", provenance.with_code(each)) for each in missing])
        sections.append(Section("missing", "What is missing", body))
    subtitle = [f"{config.model.kind.replace('_', ' ')} of {config.data.name}, {_state(status)}", _about(run)]
    further = [
        element("p", f"published: {each.text}", element("br"), each.pull, class_="published") for each in published
    ]
    return page(run.name, numbers.headline(config.name, subtitle, number, further), sections)


def _state(status: Mapping[str, Any]) -> str:
    epochs = status["epochs"]
    return f"{status['state']}" + (f" after {provenance.counted(epochs)}" if epochs else "")


def _about(run: Run) -> Html | None:
    remarks = [f"{key}: {value}" for key, value in run.config.about.items() if value is not None]
    return joined(element("br"), element("small", "; ".join(remarks))) if remarks else None


def _remarks(run: Run, evaluated: Sequence[Evaluation]) -> list[str]:
    remarks = [f"On {split} it {_as_verb(text)}." for split, each in run.metrics.items() for text in not_learned(each)]
    return [*remarks, *(f"{text[0].upper()}{text[1:]}." for text in evaluations.remarks(evaluated))]


def _as_verb(remark: str) -> str:
    return remark if remark.startswith("predicts") else f"has not learned: {remark}"


def _absent(run: Run, samples: PageSamples | None) -> list[str]:
    """Parts that this run does not have, and the command that makes them."""
    messages = []
    done = run.status["state"] == "done"
    if not run.folder.has("metrics.json"):
        messages.append("No numbers: the run has no metrics.json.")
    if not run.folder.has("history.csv"):
        messages.append("No learning curves: the run has no history.csv.")
    if not any(name.endswith(".png") for name in run.folder.names("figures")):
        messages.append(f"No pictures; `mlphys plot {run.path}` draws them." if done else "No pictures.")
    if samples is None and not run.folder.has("samples.npz"):
        how = f"; `mlphys evaluate {run.path}` writes it" if done else ""
        messages.append(f"No samples: the run has no samples.npz{how}.")
    return messages
