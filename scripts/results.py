"""Train the configs, evaluate them on their test splits, and update the tables that quote the results.

A config without test samples is evaluated on its training samples.

python -m scripts.results --seeds 5                  all configs, the table to stdout
python -m scripts.results --write dense_mnist        one config; its header, docs/results.md, README.md
python -m scripts.results --write --studies FOLDER   from the studies FOLDER/NAME of `mlphys train NAME --seeds 5`;
                                                     the seconds stay, which other work on the machine may have changed

Five seeds or more also give the range under `expect:`, where the config has none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from mlphys.config.experiment import Experiment
from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
from mlphys.config.shipped import shipped
from mlphys.numerics.uncertainty import rounded
from mlphys.runs.run import Run
from scripts.marked_tables import ROOT, table, write_table

DOCUMENT, README = ROOT / "docs" / "results.md", ROOT / "README.md"  # the README has some of the rows
COLUMNS = "| config | on the test split | published | seconds |\n|---|---|---|---|"


ENOUGH = 5  # seeds for a range
ROUNDING = 1e-5  # of numbers that no seed and no sample changes
FRACTIONS = ("accuracy", "balanced_accuracy", "error_rate")


@dataclass(frozen=True)
class Result:
    """A metric on a split and wall seconds of `mlphys train`, one value per seed.

    The metric is what `about.quote` of the config names, or the first of its kind of model.
    """

    name: str
    published: str
    split: str
    metric: str
    values: list[float]
    stderr: float | None
    seconds: list[float]
    errors: list[tuple[float, float]]  # mse of reconstructions and of PCA of the same size; empty for others

    def value(self) -> str:
        """Mean and standard deviation over seeds; for a single run its standard error; PCA's mse of reconstructions."""
        if not self.errors:
            return self._value()
        ours, pca = (statistics.mean(column) for column in zip(*self.errors, strict=True))
        beside = f"PCA {pca:.3g}" if self.metric == "mse" else f"mse {ours:.3g}, PCA {pca:.3g}"
        return f"{self._value()} ({beside})"

    def _value(self) -> str:
        scale, unit = (100, " %") if self.metric == "accuracy" else (1, "")
        mean = scale * statistics.mean(self.values)
        if len(self.values) == 1:
            return f"{self.metric} {rounded(mean, self.stderr and scale * self.stderr)}{unit}"
        spread = scale * statistics.stdev(self.values)
        return f"{self.metric} {rounded(mean, spread)}{unit} over {len(self.values)} seeds"

    def place(self) -> str:
        return "" if self.split == "test" else f"{self.split} "

    def took(self) -> str:
        return f"{statistics.median(self.seconds):.0f}" if self.seconds else "?"

    def expected(self) -> str | None:
        """`[low, high]` that holds another seed with 99.9 %, and three sampling errors to each side."""
        n = len(self.values)
        if n < ENOUGH or self.stderr is None:
            return None
        mean, spread = statistics.mean(self.values), statistics.stdev(self.values)
        another = float(stats.t.ppf(0.9995, n - 1)) * spread * math.sqrt(1 + 1 / n)
        half = max(another, 3 * self.stderr, ROUNDING * abs(mean))
        if not half:
            return None
        digits = 1 - math.floor(math.log10(half))
        low, high = (
            round(outward((mean + sign * half) * 10**digits) / 10**digits, max(0, digits)) + 0.0
            for sign, outward in ((-1, math.floor), (1, math.ceil))
        )
        if min(self.values) >= 0:
            low = max(low, 0.0)
        return f"[{low:g}, {min(high, 1.0) if self.metric in FRACTIONS else high:g}]"

    def header(self) -> str:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        published = f"; published: {self.published}" if self.published else ""
        return f"{self.took()} s on {cores} cores, {self.split} {self.value()}{published}"

    def row(self) -> str:
        return f"| {self.name} | {self.place()}{self.value()} | {self.published} | {self.took()} |"


def measured(name: str, path: Path, seeds: int) -> Result:
    """Train and evaluate one config with each seed, in separate processes, after its pretrained runs."""
    values, seconds, errors, stderr = [], [], [], None
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for source in runs_before(path):
                mlphys("train", path.with_name(f"{source}.yaml"), "--seed", seed, "--quiet")
            experiment = load(path).experiment
            metric = str(experiment.about.get("quote", experiment.model.MEASURED[0]))
            published = published_text(experiment)
            split = "test" if experiment.data.test else "train"
            began = time.perf_counter()
            mlphys("train", path, "--seed", seed, "--out", "run", "--quiet")
            seconds.append(time.perf_counter() - began)
            found = json.loads(mlphys("evaluate", "run", "--split", split, "--json"))
        values.append(found[metric])
        if found.get("pca_mse") is not None:
            errors.append((found["mse"], found["pca_mse"]))
        stderr = found.get(f"{metric}_stderr")
        print(f"{name} seed {seed}: {metric} {found[metric]:.4g} in {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    return Result(name, published, split, metric, values, stderr, seconds, errors)


def of_study(name: str, path: Path, folder: Path) -> Result:
    """What the members of a study of seeds measured; the seconds are those that the config's header has."""
    experiment = load(path).experiment
    metric = str(experiment.about.get("quote", experiment.model.MEASURED[0]))
    split = "test" if experiment.data.test else "train"
    members = [
        Run(folder / member["directory"]) for member in json.loads((folder / "study.json").read_text())["members"]
    ]
    for run in members:
        if split not in run.metrics:
            mlphys("evaluate", run.path, "--split", split, "--no-plots")
    found = [Run(run.path).metrics[split] for run in members]
    header = re.search(r"(\d+) s on", path.read_text())
    errors = [(each["mse"], each["pca_mse"]) for each in found if each.get("pca_mse") is not None]
    stderr = max((each.get(f"{metric}_stderr") or 0 for each in found), default=None)
    values, seconds = [each[metric] for each in found], [float(header[1])] if header else []
    return Result(name, published_text(experiment), split, metric, values, stderr, seconds, errors)


def published_text(experiment: Experiment) -> str:
    """`test accuracy 0.9324`, with what else must be said; `about.published` where nothing of it is a number."""
    numbers = [
        f"{key.replace('.', ' ')} {entry.text()}{f' ({entry.remark})' if entry.remark else ''}"
        for key, entry in experiment.published.items()
    ]
    return ", ".join(numbers) or str(experiment.about.get("published", ""))


def mlphys(*arguments: object) -> str:
    command = [shutil.which("mlphys", path=str(Path(sys.executable).parent)) or "mlphys", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def quote_in_config(path: Path, result: Result) -> None:
    """Write the result into the second line of a config."""
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = f"# mlphys train configs/{path.name}        {result.header()}\n"
    text, expected = "".join(lines), result.expected()
    if expected and not re.search(r"^expect:", text, re.MULTILINE):
        before, key, after = text.partition("\npublished:")
        text = f"{before.rstrip()}\nexpect: {{{result.split}.{result.metric}: {expected}}}\n{key.lstrip()}{after}"
    path.write_text(text)


def quote_in_documents(result: Result) -> None:
    """Replace or add the row of a config; in the README only existing rows."""
    for document in (DOCUMENT, README):
        rows = known_rows(document)
        if document == DOCUMENT or result.name in rows:
            rows[result.name] = result.row()
            write_table(document, "results", "\n".join([COLUMNS, *rows.values()]))


def known_rows(document: Path) -> dict[str, str]:
    """The rows of a document's table of results, by config."""
    found = re.finditer(r"^\| (\w+) \|.*$", table(document, "results"), re.MULTILINE)
    return {match[1]: match[0] for match in found if match[1] != "config"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", help="names of configs; default all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into the configs' headers, docs/results.md and README.md")
    parser.add_argument("--studies", type=Path, metavar="FOLDER", help="take the results of studies, and train nothing")
    arguments = parser.parse_args()
    configs = shipped()
    results = []
    print(COLUMNS)
    there = [name for name in configs if arguments.studies and (arguments.studies / name / "study.json").exists()]
    for name in arguments.configs or there or configs:
        path = configs[name]
        studied = arguments.studies and of_study(name, path, arguments.studies / name)
        results.append(studied or measured(name, path, arguments.seeds))
        print(results[-1].row(), flush=True)
        if arguments.write:
            quote_in_config(configs[name], results[-1])
            quote_in_documents(results[-1])


if __name__ == "__main__":
    main()
