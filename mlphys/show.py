"""What the commands print."""

from __future__ import annotations

import contextlib
import io
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlphys.config.examples import shipped, shipped_studies
from mlphys.config.experiment import ANALYSES, DATASETS, MODELS, ResolvedExperiment
from mlphys.config.reference import distinct_keys, first_line, vocabularies
from mlphys.data.inspection import Inspection
from mlphys.io.download import Progress
from mlphys.numerics.class_probabilities import UNDEFINED
from mlphys.numerics.metric_names import MEANINGS
from mlphys.numerics.uncertainty import rounded
from mlphys.numerics.verdicts import not_learned
from mlphys.schema.document import flow
from mlphys.schema.layers import text
from mlphys.studies import comparison_text
from mlphys.studies.comparison import Comparison
from mlphys.studies.members import Member
from mlphys.studies.points import best, main_metric, points
from mlphys.studies.study_file import StudyFile
from mlphys.terminal import printable
from mlphys.training.backend import choose

MOST_REASONS = 4  # for pictures that are not drawn
NARROWEST = 25  # characters of a wrapped column


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns of text, numbers to the right; the last column is wrapped at the terminal's width.

    Where that leaves no room for it every cell gets a line of its own: no number is ever cut.
    """
    columns = [printable(column) for column in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size((120, 24)).columns
    needed = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    gaps = 3 * (len(columns) - 1) + 2
    wrapped = not all(_is_number(row[-1]) for row in cells)
    if sum(needed) + gaps > width and not (wrapped and width - gaps - sum(needed[:-1]) >= NARROWEST):
        return "\n".join(_folded(columns, row, width) for row in cells)
    return _drawn(columns, cells, width)


def _folded(columns: Sequence[str], row: Sequence[str], width: int) -> str:
    """A row as a heading with a line for each other cell."""
    label = max(map(len, columns[1:]), default=0) + 2
    lines = [f"{columns[0]} {row[0]}" if _is_number(row[0]) else row[0]]
    for column, cell in [pair for pair in zip(columns[1:], row[1:], strict=True) if pair[1]]:
        first = f"  {column:{label}}"
        lines += textwrap.wrap(
            cell, max(width, label + 20), initial_indent=first, subsequent_indent=" " * len(first),
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
    return "\n".join(lines)


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        numbers = all(_is_number(row[i]) for row in rows)
        drawn.add_column(column, justify="right" if numbers else "left", no_wrap=i < len(columns) - 1)
    for row in rows:
        drawn.add_row(*row)
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False).print(drawn)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def _is_number(cell: str) -> bool:
    return cell.replace(".", "").replace(" +- ", "").replace("-", "").replace("e", "").isdigit()


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
    """The runs that provide pretrained weights."""
    encoder, initial = loaded.experiment.model.pretrained_encoder(), loaded.experiment.training.initial
    if initial:
        yield f"all parameters begin as in {initial.run}"
    if encoder:
        rows = loaded.pretrained_rows()
        encoder_text = f"the encoder's {sum(row.parameters() for row in rows)} parameters"
        origin = "" if initial else f" are those of {encoder.run} and"
        yield f"{encoder_text}{origin} are {'trained on' if encoder.trainable else 'not trained'}"


def _optimizer(loaded: ResolvedExperiment) -> str:
    ((name, given),) = loaded.experiment.training.model_dump()["optimizer"].items()
    return f"{name} " + ", ".join(f"{key} {flow(value)}" for key, value in given.items() if value is not None)


def differing(differences: Sequence[tuple[str, Any, Any]]) -> str:
    """One line per key, `key: first -> second`; null where a key is missing."""
    lines = [f"{key}: {flow(first)} -> {flow(second)}" for key, first, second in differences]
    return "\n".join(lines) or "no difference"


def trained(run: Any) -> str:
    """How training ended, the validation metrics, and the next command."""
    status, metrics = run.status, run.metrics.get("validation")
    why = {
        "early_stopping": "stopped early",
        "target": "reached its target",
        "epochs": "trained to its end",
    }[status["stopped"]]
    kept = f", weights of epoch {status['best_epoch']}" if status["best_epoch"] else ""
    epochs = status["epochs"]
    if not run.config.model.ITERATIVE:
        ended = "computed, without epochs"
    elif not epochs:
        ended = "not trained: it has 0 epochs"
    else:
        ended = f"{why} after {epochs} epoch{'s' if epochs > 1 else ''}{kept}"
    lines = [ended]
    if metrics:
        first = next(name for name in run.config.model.MEASURED if name in metrics)
        lines.append(f"validation {first} {rounded(metrics[first], metrics[f'{first}_stderr'])}")
        lines += [f"warning: validation: {remark}" for remark in remarks_on(run, metrics)]
    pictures = run.path / "figures"
    lines.append(f"run {run.path}" + (f", pictures in {pictures}" if pictures.is_dir() else ""))
    lines.append(f"next: mlphys evaluate {run.path}")
    return "\n".join(lines)


def members(content: StudyFile | Sequence[Member]) -> str:
    """The members of a study and what each of them changes."""
    rows = content if isinstance(content, Sequence) else [record.member for record in content.members]
    keys = list(dict.fromkeys(key for member in rows for key in member.overrides))
    return table(
        ["member", *keys],
        [[member.number, *(_varied(member, key) for key in keys)] for member in rows],
    )


def _varied(member: Member, key: str) -> str:
    return member.labels[key] if key in member.labels else flow(member.overrides[key])


def studied(path: Any, content: StudyFile) -> str:
    """What a study's members say together: each point of its grid with its mean over seeds, and what is open."""
    lines = []
    metric = main_metric(content)
    if metric:
        lines.append(_points(content, *metric))
    counts = {state: sum(record.state == state for record in content.members) for state in STATES}
    states = [f"{count} {state}" for state, count in counts.items() if count]
    lines.append(f"study {path}: {len(content.members)} members, {', '.join(states)}; the numbers are in summary.csv")
    chosen = best(content) if content.chooses else None
    if chosen:
        named = ", ".join(f"{key}={label}" for key, label in chosen.labels.items())
        record = next(record for record in chosen.records if record.state == "done")
        lines.append(f"best on validation, where it was chosen: {named}")
        lines.append(f"next: mlphys evaluate {path}/{record.directory}   (test, for the chosen one alone)")
    if counts["failed"]:
        lines.append(f"failed members are tried again by mlphys resume {path} --retry")
    open_ = len(content.members) - sum(counts[state] for state in ("done", "diverged", "failed"))
    if open_:
        lines.append(f"next: mlphys resume {path} resumes {open_}")
    return "\n".join(lines)


STATES = ("done", "diverged", "failed", "running", "interrupted", "waiting")


def _points(content: StudyFile, split: str, name: str) -> str:
    """A row per point with its mean, and below it which error +- is."""
    several = len(content.members) > len(points(content))
    columns = [*_short(list(content.grid)), "n", f"{split} {name}", *(["s", "sampling"] if several else []), "lost"]
    rows = []
    for point in points(content):
        found = point.metric(split, name)
        lost = sum(record.state in ("diverged", "failed") for record in point.records)
        row: list[Any] = [*(point.labels[key] for key in content.grid), found.n if found else 0]
        if found is None:
            row += ["none"] * (3 if several else 1)
        elif several:
            row += [rounded(found.mean, found.stderr)]
            row += ["none" if value is None else f"{value:.2g}" for value in (found.stdev, found.sampling)]
        else:
            row += [rounded(found.mean, found.sampling)]
        rows.append([*row, lost])
    notes = [_errors(content) if several else "+- is the sampling error, of the finite number of samples"]
    if not content.folds and len(content.seeds) < 2:
        notes.append("one seed: another one may give other numbers")
    elif not content.folds and len(content.seeds) < FEWEST:
        notes.append(f"fewer than {FEWEST} seeds: no verdict")
    return "\n".join([table(columns, rows), *notes, "lost: members that diverged or failed"])


def _errors(content: StudyFile) -> str:
    if content.folds:
        first = "after the mean over the seeds of each, " if content.seeds else ""
        return (
            f"n folds; {first}+- is s sqrt(1/n + 1/(n - 1)), the standard error of the mean over folds that share "
            "training samples (Nadeau and Bengio 2003), s the standard deviation over folds;\n"
            "sampling is the error that the finite number of samples leaves"
        )
    return (
        "n seeds; +- is s / sqrt(n), the standard error of the mean over seeds, s the standard deviation over seeds;\n"
        "sampling is the error that the finite number of samples leaves, which are the same for all seeds"
    )


FEWEST = 3  # seeds that a statement over seeds needs


def _short(keys: Sequence[str]) -> list[str]:
    """The last parts of dotted keys, where these differ."""
    last = [key.rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(last) and not any(part.isdecimal() for part in last) else list(keys)


BASELINES = {
    "majority_accuracy": "always the most frequent class",
    "uncalibrated_accuracy": "the class of the largest energy as it is",
    "mean_target_mse": "always the mean of the training targets",
    "copy_input_mse": "the input itself as output",
    "corruption_mse": "the corrupted samples as they are",
    "corrupted_pca_mse": "the corrupted samples' principal components, as many as the code has numbers",
    "mean_image_mse": "always the mean of the training samples",
    "pixel_pca_mse": "principal components of the data as it is, as many as the code has numbers",
    "pca_mse": "principal components, as many as the code has numbers",
}
WITHOUT_PCA = "so many principal components give every training sample back: nothing to compare with"


def evaluated(run: Any, split: str, metrics: Mapping[str, Any]) -> str:
    """The metrics of a split with their errors, and of each class."""
    lines = [f"{run.name}: {split}, {metrics['samples']} samples"]
    for name in [name for name in run.config.model.MEASURED if name in metrics]:
        value = metrics[name]
        baseline = WITHOUT_PCA if value is None and name.endswith("pca_mse") else BASELINES.get(name)
        meaning = f" ({baseline})" if baseline else ""
        number = str(value) if isinstance(value, int) else _with_error(metrics, name)
        lines.append(f"  {name:22} {number}{meaning}")
    if "per_class" in metrics:
        names = ("precision", "recall", "f1")
        rows = [
            [name, facts["samples"], *(_with_error(facts, key) for key in names)]
            for name, facts in metrics["per_class"].items()
        ]
        lines += ["", table(["class", "samples", *names], rows)]
    if "per_target" in metrics:
        names = ("mse", "mae", "r2")
        rows = [[name, *(_with_error(facts, key) for key in names)] for name, facts in metrics["per_target"].items()]
        lines += ["", table(["target", *names], rows)]
    lines += [f"warning: {remark}" for remark in remarks_on(run, metrics)]
    return "\n".join([*lines, ""])


def remarks_on(run: Any, metrics: Mapping[str, Any]) -> list[str]:
    """Warnings on the metrics of a split: no better than a constant, and what has no value."""
    remarks = not_learned(metrics)
    mse, constant = metrics.get("mse"), metrics.get("mean_target_mse")
    if mse is not None and constant is not None and mse > constant:
        hint = "train longer, or with another learning_rate"
        if run.config.data.target_scaling is None:
            hint = "if the targets are far from 0 or their spread from 1, write data.target_scaling: standardize"
        remarks.append(f"worse than always the mean of the training targets, whose mse is {constant:.4g}; {hint}")
    determinations = {name: facts["r2"] for name, facts in metrics.get("per_target", {}).items()}
    worse = [name for name, r2 in determinations.items() if r2 is not None and r2 < 0]
    if worse and not remarks:
        remarks.append(f"{', '.join(worse)}: r2 below 0, worse than the mean of these targets")
    if "auc" in metrics and metrics.get("average_precision") is None:
        remarks.append(UNDEFINED)
    return remarks


def evaluated_other(run: Any, other: Any, metrics: Mapping[str, Any]) -> str:
    """The metrics on another labelled set, and where they are kept."""
    kept = f"not the run's own data; numbers in {run.path / 'analysis' / other.name}.json"
    return "\n".join([*other.notes, evaluated(run, str(other.path), metrics).rstrip("\n"), kept])


def changed(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """The metric against the shift of the images, or against added noise."""
    tables = []
    for name, curve in curves.items():
        metric = curve["metric"]
        rows = zip(curve[name], curve[metric], curve[f"{metric}_stderr"], strict=True)
        tables.append(table([name, metric], [[f"{by:g}", rounded(value, error)] for by, value, error in rows]))
    return "\n\n".join(tables) + "\n"


def _with_error(facts: Mapping[str, Any], name: str) -> str:
    return "none" if facts[name] is None else rounded(facts[name], facts.get(f"{name}_stderr"))


def pictures(paths: Sequence[Any], skipped: Sequence[str]) -> str:
    """The files of a study's or a comparison's pictures, and why others are not drawn."""
    shown = [path for path in paths if path.suffix != ".csv"]
    lines = [f"pictures in {shown[0].parent}: {', '.join(path.name for path in shown)}"] if shown else []
    return "\n".join([*lines, *(f"not drawn: {reason}" for reason in skipped)])


def drawn(pictures: Any) -> str:
    lines = [f"{name}: not drawn: {reason}" for name, reason in pictures.skipped.items()]
    if len(lines) > MOST_REASONS:
        lines = [f"not drawn: {', '.join(pictures.skipped)}; `mlphys plot --only NAME` prints why"]
    shown = [path for path in pictures.paths if path.suffix != ".csv"]
    if shown:
        names = ", ".join(path.name for path in shown)
        lines.append(f"pictures in {shown[0].parent}: {names}")
    return "\n".join(lines) or "no pictures: the config names none; see `mlphys list plots`"


def checked(found: Any) -> str:
    """The metrics of runs beside what is expected of them, and beside published numbers."""
    parts = [
        table(
            ["run", "metric", "measured", "expected", ""],
            [
                [
                    str(row.run.path), row.metric, "none" if row.value is None else f"{row.value:.4f}",
                    f"{row.low:g} to {row.high:g}", "ok" if row.inside else row.why or "OUT OF RANGE",
                ]
                for row in found.expected
            ],
        )
    ] if found.expected else []  # fmt: skip
    if found.published:
        parts.append(_beside_published(found))
    if found.differing:
        parts.append("\n".join(_differs(path, keys) for path, keys in found.differing.items()))
    return "\n\n".join(parts) or "nothing is expected; add expect: {test.accuracy: [0.98, 0.99]} to the config"


def compared(found: Comparison) -> str:
    """The keys that differ, the metrics side by side, and what follows."""
    parts = [table(*comparison_text.keys_table(found))] if found.differing else ["their configs differ in nothing"]
    parts += [table(*comparison_text.metrics_table(found)), comparison_text.errors(found)]
    return "\n\n".join([*parts, *comparison_text.sentences(found)])


def runs(found: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """A line for each run or study; of damaged ones the reason below."""
    if not found:
        return "no runs"
    usual = ["run", "kind", "dataset", "state", "epochs", "metric", "baseline", "seconds"]
    if columns:
        rows = [[_short_value(row.get(column)) for column in columns] for row in found]
    else:
        rows = [[_metric(row) if name == "metric" else _short_value(row.get(name)) for name in usual] for row in found]
    reasons = [f"{row['run']}: {row['reason']}" for row in found if row.get("reason")]
    return "\n".join([table(columns or usual, rows), *reasons])


def _metric(row: Mapping[str, Any]) -> str:
    return f"{row['metric']} {rounded(row['value'], row.get('stderr'))}" if row.get("value") is not None else ""


def _short_value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else flow(value)


FEW = 100  # runs that are read in a moment


@contextlib.contextmanager
def reading() -> Iterator[Any]:
    """A bar on a terminal while many runs are read for the first time."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading runs", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=total > FEW)


def _differs(path: str, keys: Sequence[str]) -> str:
    if not keys:
        return f"{path}: its config is the same"
    more = f" and {len(keys) - MOST_REASONS} more keys" if len(keys) > MOST_REASONS else ""
    return f"{path}: its config differs in {', '.join(keys[:MOST_REASONS])}{more}"


def _beside_published(found: Any) -> str:
    rows = [
        [
            str(row.runs[0].path) if len(row.runs) == 1 else f"{row.runs[0].config.name}, {row.found.n} seeds",
            row.metric, rounded(row.found.mean, row.found.stderr), row.published.text(), _pull(row),
            "; ".join(text for text in (row.published.source, row.published.remark) if text),
        ]
        for row in found.published
    ]  # fmt: skip
    lines = [table(["run", "metric", "measured", "published", "pull", "source"], rows)]
    lines.append(
        "measured: mean over seeds +- s / sqrt(n); pull: the deviation in standard deviations, from 3 seeds on"
    )
    if total := found.chi_squared():
        lines.append(f"chi^2 of the pulls {total[0]:.2f} with {total[2]} degrees of freedom: p = {total[1]:.2g}")
    return "\n".join(lines)


def _pull(row: Any) -> str:
    if not row.published.comparable:
        return "not comparable"
    if row.deviation.pull is not None:
        return f"{row.deviation.pull:+.1f}"
    return "equal within rounding" if row.deviation.within_rounding else "differs by more than rounding"


VOCABULARIES = {
    "layers": "layer", "optimizers": "optimizer", "schedules": "schedule", "losses": "loss",
    "initializers": "initializer", "regularizers": "regularizer", "preprocess": "step",
}  # fmt: skip


def listed(what: str) -> str:
    """One line per entry: name and description."""
    from mlphys.figures.picture import Plot
    from mlphys.schema import registry

    match what:
        case "models":
            rows = [[name, first_line(kind)] for name, kind in MODELS.items()]
            return "\n".join([table(["model", "what it is"], rows), "", combined()])
        case "keys":
            rows = [[key.dotted, key.description.sentence] for key in distinct_keys()]
            return table(["key", "what it means"], rows)
        case "metrics":
            rows = [[name, MEANINGS[name], ", ".join(kinds)] for name, kinds in _measured().items()]
            return table(["metric", "what it is", "kinds of model"], rows)
        case "datasets":
            return datasets()
        case "plots":
            rows = [[name, first_line(entry)] for name, entry in registry.entries("mlphys.plots", Plot).items()]
        case "analyses":
            rows = [[name, ", ".join(entry.key_names()), first_line(entry)] for name, entry in ANALYSES.items()]
            return table(["analysis", "settings", "what it measures"], rows)
        case "configs":
            rows = [[name, _headline(path)] for name, path in (shipped() | shipped_studies()).items()]
        case _:
            options = vocabularies()[VOCABULARIES[what]].options
            rows = [[name, first_line(spec), ", ".join(spec.key_names())] for name, spec in options.items()]
            return table([VOCABULARIES[what], "what it is", "keys"], rows)
    return table([what.removesuffix("s"), "what it is"], rows)


def _measured() -> dict[str, list[str]]:
    """The kinds of model that have each metric."""
    found: dict[str, list[str]] = {}
    for kind, model in MODELS.items():
        for metric in model.MEASURED:
            found.setdefault(metric, []).append(kind)
    return found


def combined() -> str:
    """Which cost terms of an autoencoder can be combined, and why others cannot."""
    from mlphys.config.combinations import TERMS, refused

    found, names = refused(), list(TERMS)
    found |= {(second, first): why for (first, second), why in found.items()}
    rows = [
        [name, *("" if (name, other) not in found else "no" if found[name, other] else "yes" for other in names)]
        for name in names
    ]
    reasons = dict.fromkeys(
        f"{a}, {b}: {why}" for (a, b), why in found.items() if why and names.index(a) < names.index(b)
    )
    return "\n".join([table(["autoencoder", *names], rows), "", *reasons])


def datasets() -> str:
    return table(["dataset", "what it is"], [[name, first_line(kind)] for name, kind in DATASETS.items()])


def _headline(path: Any) -> str:
    """The first comment of a config, without its file name."""
    return path.read_text().partition("\n")[0].removeprefix("# ").partition(": ")[2]


def inspected(found: Inspection, remarks: Sequence[str] = ()) -> str:
    """The splits and classes of a dataset, how its files were read, and warnings, `remarks` of the model among them."""
    splits = table(
        ["split", "samples", "smallest", "largest", "NaN or infinite", "duplicates"],
        [
            [
                name,
                facts.samples,
                _value(facts.smallest),
                _value(facts.largest),
                facts.not_finite,
                facts.duplicates,
            ]
            for name, facts in found.splits.items()
        ],
    )
    names = list(found.splits)
    counts = [found.splits[name].class_counts for name in names]
    rows = [[label, *(count[label] for count in counts)] for label in counts[0]]
    classes = ["", table(["class", *names], rows)] if rows else []
    shared = [f"samples of {second} also in {first}: {count}" for (first, second), count in found.shared.items()]
    lines = [
        *found.notes,
        *shared,
        f"values that are the same in all training samples: {found.constant_features} of {found.features}",
    ]
    lines += [f"smallest class / largest class in training: {found.balance:.3f}"] if rows else []
    warnings = [f"warning: {warning}" for warning in (*found.warnings(), *remarks)] or ["no warnings"]
    return "\n".join([splits, *classes, "", *lines, *warnings])


def _value(number: float | None) -> str:
    return "none" if number is None else f"{number:g}"


@contextlib.contextmanager
def download() -> Iterator[Progress]:
    """A bar for a download on a terminal; nothing in a log."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total or None, visible=True)
