"""Time a study of many seeds beside as many commands `mlphys train`, and members on Ray beside members without.

python -m scripts.bench_studies                the table to stdout
python -m scripts.bench_studies --write        into docs/performance.md too

The commands are timed before and after the study; the median stands for all of them.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mlphys import machine
from scripts import marked_tables

DOCUMENT = marked_tables.ROOT / "docs" / "performance.md"
COMMAND = [sys.executable, "-c", "from mlphys.cli import main; main()"]
SILENT = ("--quiet", "--no-report")  # of train
BARE = ("--set", "plots=[]", "--set", "analysis=[]")  # members draw no pictures and make no analyses
SEEDS = 20
FEW = 8  # seeds, of one worker
ALONE = 2  # commands before and after a study
LONG = {"dense_mnist": 100}  # epochs of members that take about ten seconds, for Ray
COUNTS = (4, 12)  # members of that kind


def seconds(folder: Path, *arguments: str) -> float:
    """Wall seconds of an mlphys command that succeeds."""
    began = time.perf_counter()
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench_studies: mlphys {' '.join(arguments)}: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def overhead(study: Path) -> float:
    """Median seconds from the start of a member to that of the next, its epochs left out; of a study of one worker."""
    with (study / "summary.csv").open() as file:
        training = [float(row["seconds"]) for row in csv.DictReader(file)]
    environments = [study / "members" / str(i + 1) / "environment.json" for i in range(len(training))]
    started = [datetime.fromisoformat(json.loads(path.read_text())["started"]).timestamp() for path in environments]
    return statistics.median(b - a - epochs for a, b, epochs in zip(started, started[1:], training, strict=False))


def of_seeds(name: str, folder: Path) -> list[str]:
    """A study of seeds of a shipped config, beside commands that train it and evaluate it on test, without pictures."""

    def alone(number: int) -> float:
        run = folder / f"{name}-alone" / str(number)
        training = seconds(folder, "train", name, "--out", str(run), *SILENT, *BARE)
        return training + seconds(folder, "evaluate", str(run), "--no-plots", "--no-report")

    took = [alone(number) for number in range(ALONE)]
    study = folder / f"{name}-study"
    together = seconds(folder, "train", name, "--seeds", str(SEEDS), "--out", str(study), *SILENT)
    took += [alone(number) for number in range(ALONE, 2 * ALONE)]
    commands = SEEDS * statistics.median(took)
    one = folder / f"{name}-one-worker"
    seconds(folder, "train", name, "--seeds", str(FEW), "--workers", "1", "--out", str(one), *SILENT)
    return [
        f"{SEEDS} seeds of {name}", f"{commands:.0f} s", f"{together:.0f} s", f"{commands / together:.1f}",
        f"{overhead(one):.2f} s a member beside its epochs, by one worker",
    ]  # fmt: skip


def on_ray(name: str, epochs: int, folder: Path) -> list[str]:
    """Members of about ten seconds without Ray and with it: what a member more takes, and what Ray takes to start."""
    took: dict[tuple[str, int], float] = {}
    for count in COUNTS:
        for where, flags in (("local", []), ("ray", ["--ray", "local"])):
            out = folder / f"{where}-{count}"
            arguments = ("train", name, "--seeds", str(count), "--set", f"training.epochs={epochs}", "--out", str(out))
            took[where, count] = seconds(folder, *arguments, *SILENT, *flags)
    few, many = COUNTS
    local, ray = ((took[where, many] - took[where, few]) / (many - few) for where in ("local", "ray"))
    starts = took["ray", few] - few * ray - (took["local", few] - few * local)
    return [
        f"a member more of {name}, {epochs} epochs, on Ray", f"{local:.2f} s", f"{ray:.2f} s", f"{local / ray:.2f}",
        f"{100 * (ray / local - 1):+.0f} % on Ray, and {starts:.0f} s for its node to start",
    ]  # fmt: skip


def rows(folder: Path) -> Iterator[list[str]]:
    for name in ("dense_mnist", "conv_digits"):
        yield of_seeds(name, folder)
    for name, epochs in LONG.items():
        yield on_ray(name, epochs, folder)


def table() -> str:
    head = "| study | beside it | the study | ratio | |"
    with tempfile.TemporaryDirectory() as folder:
        return marked_tables.printed(head, rows(Path(folder)), f"{machine.cores()} cores of {machine.processor()}")


if __name__ == "__main__":
    marked_tables.benchmark(__doc__, "bench_studies", DOCUMENT, table)
