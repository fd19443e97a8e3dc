"""Where the numbers come from: a paragraph for a paper, the machine, the command that repeats the run."""

from __future__ import annotations

import math
import shlex
from datetime import UTC, datetime
from typing import Any

from mlphys.report.html import Html, element, joined, table
from mlphys.report.network import of_numbers
from mlphys.report.numbers import Main
from mlphys.report.page import Section
from mlphys.runs.run import Run
from mlphys.schema.document import flow


def methods(run: Run, number: Main | None) -> Section:
    packages = _packages(run)
    words = " ".join(_sentences(run, number, packages))
    entries = "\n\n".join(_bibtex(run, packages))
    parts = [element("p", words, class_="methods"), element("pre", element("code", entries), tabindex="0")]
    return Section("methods", "For a paper", joined(*parts))


def environment(run: Run) -> Section:
    environment = run.environment
    engine: Any = environment.get("engine") or {}
    rows = [
        ["command", element("code", f"mlphys train {shlex.quote(str(run.path / 'config.yaml'))}")],
        ["started", _to_the_minute(str(environment.get("started", "")))],
        ["mlphys", environment.get("mlphys", "")],
        ["Python", environment.get("python", "")],
        ["packages", ", ".join(f"{name} {version}" for name, version in _packages(run).items())],
        [
            "system",
            f"{environment.get('system', '')}, {environment.get('cpu', '')}, {environment.get('threads', '?')} threads",
        ],
        ["accelerators", ", ".join(map(str, environment.get("accelerators") or [])) or "none"],
        ["steps", "; ".join(map(str, _values(engine.get("steps")))) if isinstance(engine, dict) else ""],
        ["git", _checkout(environment.get("git"))],
    ]
    return Section("environment", "Environment", joined(table(["what", "of this run"], rows, class_="facts")))


def _checkout(git: Any) -> str:
    """The commit of the folder that the training was started in, and whether files there differed from it."""
    if not git:
        return "not in a repository"
    return f"{git.get('commit')}{', with changes' if git.get('dirty') else ''}" if isinstance(git, dict) else str(git)


def _to_the_minute(started: str) -> str:
    """`2026-11-28 16:17 UTC`; what is no time as it is."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return started


def _values(block: Any) -> list[Any]:
    return list(dict.fromkeys(block.values())) if isinstance(block, dict) else []


def _packages(run: Run) -> dict[str, str]:
    packages = run.environment.get("packages") if run.folder.has("environment.json") else None
    return {str(name): str(version) for name, version in packages.items()} if isinstance(packages, dict) else {}


def _sentences(run: Run, number: Main | None, packages: dict[str, str]) -> list[str]:
    config, description = run.config, run.description
    splits = run.data["splits"]
    parameters = sum(math.prod(shape) for shape in run.loaded.weight_shapes().values())
    versions = " and ".join(
        f"{shown} {packages[name]}"
        for name, shown in (("keras", "Keras"), ("tensorflow", "TensorFlow"))
        if name in packages
    )
    of = f"We trained a model of kind {config.model.kind.replace('_', ' ')} with {parameters:,} parameters"
    with_ = f" with mlphys{f' ({versions})' if versions else ''}"
    sentences = [
        f"{of}{with_} on {splits['train']['samples']:,} samples of {config.data.name} "
        f"({of_numbers(description.shape)}{f', {len(description.classes)} classes' if description.classes else ''})."
    ]
    if config.model.ITERATIVE:
        training = config.training
        ((name, settings),) = training.model_dump()["optimizer"].items()
        rate = settings.get("learning_rate")
        words = f"{name}{f' (learning rate {flow(rate)})' if rate is not None else ''}"
        batch = training.batch_size if isinstance(training.batch_size, int) else "all"
        sentences.append(
            f"The cost was minimized by {words} in batches of {batch} for at most {counted(training.epochs)}."
        )
        if training.early_stopping:
            stop = training.early_stopping
            sentences.append(
                f"Training stopped early when {stop.monitor.replace('_', ' ')} had not improved for {stop.patience} "
                "epochs."
            )
    if number:
        sentences.append(
            f"On {splits[number.split]['samples']:,} {number.split} samples the {number.name.replace('_', ' ')} is "
            f"{number.text()}, where ± is the standard error of the finite number of samples; the random seed was "
            f"{config.seed}."
        )
    return sentences


def _bibtex(run: Run, packages: dict[str, str]) -> list[str]:
    version = run.environment.get("mlphys", "") if run.folder.has("environment.json") else ""
    entries = [
        "@software{mlphys,\n  title = {mlphys: machine learning experiments for physics},\n"
        f"  version = {{{version}}}\n}}"
    ]
    known = {
        "keras": "@misc{keras,\n  title = {Keras},\n  author = {Chollet, Fran\\c{c}ois and others},\n  year = {2015},\n"
        "  url = {https://keras.io}\n}",
        "tensorflow": "@misc{tensorflow,\n"
        "  title = {TensorFlow: Large-Scale Machine Learning on Heterogeneous Systems},\n"
        "  author = {Abadi, Mart{\\'\\i}n and others},\n  year = {2015},\n  url = {https://www.tensorflow.org}\n}",
    }
    return [*entries, *(entry for name, entry in known.items() if name in packages)]


def unsure(run: Run, number: Main | None, remarks: list[str]) -> Section:
    """What a reader should not read into the page."""
    caveats = list(remarks)
    status = run.status
    if status["state"] == "diverged":
        caveats.append(
            f"The training diverged after {counted(status['epochs'])}: its loss grew beyond all bounds. "
            "Train it with a smaller learning_rate."
        )
    elif status["state"] != "done":
        caveats.append(
            f"The training is not finished: its state is {status['state']}, after {counted(status['epochs'])}; "
            f"`mlphys resume {run.path}` continues it."
        )
    elif number is None:
        caveats.append(f"Nothing is measured; `mlphys evaluate {run.path}` measures the run on its test split.")
    if number and number.split != "test":
        caveats.append(
            f"The main number is of {number.split}, not of samples that no choice was made on; "
            f"`mlphys evaluate {run.path}` opens the test split."
        )
    if number and run.config.training.early_stopping and number.split == "validation":
        caveats.append("The epoch was chosen on the same validation samples, which makes their number look better.")
    if run.config.model.ITERATIVE:
        caveats.append(
            f"It is one seed ({run.config.seed}): another one gives other numbers, and ± does not hold that spread; "
            f"`mlphys train {run.path / 'config.yaml'} --seeds 5` measures it."
        )
    return Section(
        "unsure", "What this page is not sure of", element("ul", [element("li", with_code(each)) for each in caveats])
    )


def counted(epochs: int) -> str:
    """`1 epoch`."""
    return f"{epochs:,} epoch{'' if epochs == 1 else 's'}"


def with_code(sentence: str) -> Html:
    """Text in backticks as code."""
    parts = sentence.split("`")
    return joined(*(element("code", part) if i % 2 else part for i, part in enumerate(parts)))
