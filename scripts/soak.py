"""Kill trainings at random instants, resume each until it is done, and compare every byte with an undisturbed one.

make soak                                   # 50 kills, about ten minutes
python -m scripts.soak --kills 3 --seed 7   # fewer, the same instants again
python -m scripts.soak --write              # adds the counts to docs/reproducibility.md
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import mmap
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts import marked_tables
from scripts.marked_tables import ROOT, write_table

DOCUMENT = ROOT / "docs" / "reproducibility.md"
DIGITS = {"name": "digits", "train": 200, "validation": 50, "test": 0}
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "classifier": {
        "data": DIGITS,
        "model": {
            "kind": "classifier",
            "layers": [
                "Flatten",
                {"Dense": {"units": 32, "activation": "relu"}},
                {"Dropout": {"rate": 0.3}},
                {"Dense": {"units": 10, "activation": "softmax"}},
            ],
        },
        "training": {"optimizer": "adam", "epochs": 60, "early_stopping": {"patience": 60}},
    },
    "convolutional": {
        "data": DIGITS,
        "model": {
            "kind": "autoencoder",
            "encoder": [
                {"GaussianNoise": {"stddev": 0.1}},
                {"Conv2D": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}},
                {"MaxPooling2D": {"pool_size": 2}},
            ],
            "decoder": [
                {"UpSampling2D": {"size": 2}},
                {"Conv2D": {"filters": 1, "kernel_size": 3, "padding": "same", "activation": "sigmoid"}},
            ],
        },
        "training": {"loss": "binary_crossentropy", "epochs": 60},
    },
    "regressor": {
        "data": {"name": "function_1d", "function": "sine", "samples": 400, "validation": 100, "test": 100},
        "model": {
            "kind": "regressor",
            "layers": [{"Dense": {"units": 8, "activation": "tanh"}}, {"Dense": {"units": 1}}],
        },
        "training": {"optimizer": {"Adam": {"learning_rate": 0.02}}, "snapshots": 10, "epochs": 60},
    },
    "stacked": {
        "data": DIGITS,
        "model": {
            "kind": "stacked_autoencoder",
            "stages": [
                {"encoder": [{"Dense": {"units": units, "activation": "sigmoid"}}], "corruption": {"masking": 0.2}}
                for units in (32, 16)
            ],
            "head": [{"Dense": {"units": 10, "activation": "softmax"}}],
        },
        "training": {"optimizer": "adam", "phases": {"pretrain": {"epochs": 20}, "head": {"epochs": 20}}},
    },
    "energy_classifier": {
        "data": DIGITS,
        "model": {
            "kind": "energy_classifier",
            "of": {"autoencoder": {"units": 16, "activation": "sigmoid", "corruption": {"masking": 0.3}}},
        },
        "training": {"optimizer": "adam", "epochs": 30},
    },
    "rbm": {
        "data": DIGITS,
        "model": {"kind": "rbm", "hidden": 16, "sampling": {"PCD": {"steps": 2}}},
        "training": {"optimizer": {"SGD": {"learning_rate": 0.1}}, "batch_size": 20, "epochs": 40},
    },
}
TESTED = ("classifier", "convolutional")  # by make test-soak
COMPARED = ["weights.safetensors", "metrics.json", "predictions_validation.npz"]

# The current activity of a training, in a byte shared with the killing process.
BEGIN, TRAIN, WRITE, PRUNE, RESUME, END = range(6)
DOING = ("began", "trained", "wrote", "pruned", "resumed", "was measured")
LONGEST = 120  # seconds to wait for an activity
POLL = 1e-4  # seconds between two looks at it, shorter than a write
MOMENT = 0.4  # seconds of a resume, about


def trained(note: Path, config: Path, run: Path) -> None:
    """`mlphys train --resume` with a checkpoint after every epoch, recording its activity."""
    with note.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 1)

    def noted(function: Callable[..., Any], doing: int, then: int | None = None) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            before, shared[0] = shared[0], doing
            try:
                return function(*arguments, **options)
            finally:
                shared[0] = before if then is None else then

        return wrapped

    from mlphys.cli import main
    from mlphys.runs.writer import RunWriter
    from mlphys.training import checkpoint, loop

    loop.CHECKPOINT_SECONDS = -1.0
    for name in ("row", "checkpoint", "weights", "predictions", "metrics"):
        setattr(RunWriter, name, noted(getattr(RunWriter, name), WRITE))
    checkpoint._prune = noted(checkpoint._prune, PRUNE)
    RunWriter.resume_from = noted(
        RunWriter.resume_from, RESUME, then=RESUME
    )  # until the first epoch: variables are restored
    loop.PhaseInTraining.run = noted(loop.PhaseInTraining.run, TRAIN, then=END)
    main(["train", str(config), "--out", str(run), "--resume", "--quiet"])


class Training:
    """A process that trains or resumes the experiment in `config`."""

    def __init__(self, folder: Path, config: Path, run: Path):
        note = folder / "doing"
        note.write_bytes(bytes([BEGIN]))
        with note.open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 1)
        command = [sys.executable, "-m", "scripts.soak", "--train", str(note), str(config), str(run)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def wait_for(self, *doing: int) -> bool:
        """Wait for one of these activities; False if it ended before."""
        until = time.monotonic() + LONGEST
        while self.process.poll() is None:
            if self.shared[0] in doing:
                return True
            if time.monotonic() > until:
                self.process.kill()
                raise SystemExit(f"soak: a training has not {DOING[doing[0]]} in {LONGEST} seconds")
            time.sleep(POLL)
        return False

    def finish(self) -> None:
        _, printed = self.process.communicate()
        if self.process.returncode:
            raise SystemExit(f"soak: a training ended with {self.process.returncode}: {printed}")

    def kill(self, rng: random.Random, seconds: float) -> int | None:
        """Kill it at a random instant within `seconds`; return its activity, or None if it ended before."""
        aim = rng.choice([TRAIN, WRITE, PRUNE, RESUME])
        instant = rng.random()
        if not self.wait_for(TRAIN, WRITE, PRUNE, RESUME, END):
            return None
        if aim == RESUME and self.shared[0] == RESUME:
            time.sleep(instant * MOMENT)
        else:
            time.sleep(instant * seconds)
            if aim in (WRITE, PRUNE) and not self.wait_for(aim):
                return None
        self.process.kill()
        return self.shared[0] if self.process.wait() == -signal.SIGKILL else None


def digests(run: Path) -> dict[str, str]:
    """Digests of all files, without the seconds of epochs."""
    found = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in COMPARED}
    with (run / "history.csv").open() as file:
        rows = [[value for name, value in row.items() if name != "seconds"] for row in csv.DictReader(file)]
    return found | {"history.csv": hashlib.sha256(repr(rows).encode()).hexdigest()}


def soaked(name: str, kills: int, rng: random.Random, folder: Path) -> Counter[int]:
    """Kill trainings of an experiment `kills` times; count their activities. Exits at the first difference."""
    import yaml

    folder.mkdir()
    config, whole = folder / f"{name}.yaml", folder / "whole"
    config.write_text(yaml.safe_dump({"name": name, **EXPERIMENTS[name], "plots": []}))
    training = Training(folder, config, whole)
    training.wait_for(TRAIN)
    began = time.monotonic()
    training.finish()
    seconds = time.monotonic() - began
    print(f"{name}: " + ", ".join(f"{file} {digest[:16]}" for file, digest in digests(whole).items()), flush=True)
    killed: Counter[int] = Counter()
    runs = 0
    while killed.total() < kills:
        runs += 1
        run = folder / f"run {runs}"
        while '"done"' not in (run / "status.json").read_text() if (run / "status.json").exists() else True:
            training = Training(folder, config, run)
            doing = training.kill(rng, seconds) if killed.total() < kills else None
            if doing is None:
                training.finish()
            else:
                killed[doing] += 1
                print(f"{name}, run {runs}: killed while it {DOING[doing]}", flush=True)
        different = [file for file, digest in digests(whole).items() if digests(run)[file] != digest]
        if different:
            raise SystemExit(f"soak: {run}: other bytes than {whole} in {', '.join(different)}")
        shutil.rmtree(run)
    print(f"{name}: {killed.total()} kills, {runs} runs, all with the bytes of the undisturbed one", flush=True)
    return killed


def table(killed: dict[str, Counter[int]]) -> str:
    """Number of kills by activity and experiment."""
    doings = sorted({doing for counts in killed.values() for doing in counts})
    lines = [
        f"| killed while it | {' | '.join(DOING[doing] for doing in doings)} | all |",
        "|---" * (2 + len(doings)) + "|",
    ]
    for name, counts in killed.items():
        lines.append(f"| {name} | {' | '.join(str(counts[doing]) for doing in doings)} | {counts.total()} |")
    return "\n".join(lines)


def counted(text: str) -> dict[str, Counter[int]]:
    """The kills of a table, which others are added to."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    doings = [DOING.index(name) for name in head[1:-1]]
    return {row[0]: Counter(dict(zip(doings, map(int, row[1:-1]), strict=True))) for row in rows}


def added(known: dict[str, Counter[int]], killed: dict[str, Counter[int]]) -> dict[str, Counter[int]]:
    names = [name for name in EXPERIMENTS if name in known or name in killed]
    return {name: known.get(name, Counter()) + killed.get(name, Counter()) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(2**32), help="default: a random one"
    )
    parser.add_argument("--only", choices=EXPERIMENTS, help="one of the experiments")
    parser.add_argument("--write", action="store_true", help="add the counts to docs/reproducibility.md")
    parser.add_argument("--train", nargs=3, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        trained(*arguments.train)
        return
    print(f"seed {arguments.seed}", flush=True)
    rng, killed = random.Random(arguments.seed), {}
    names = [arguments.only] if arguments.only else list(EXPERIMENTS)
    folder = Path(tempfile.mkdtemp(prefix="soak."))
    for i, name in enumerate(names):
        share = arguments.kills * (i + 1) // len(names) - arguments.kills * i // len(names)
        killed[name] = soaked(name, share, rng, folder / name)
    shutil.rmtree(folder)  # kept after a failure
    print(table(killed))
    if arguments.write:
        known = counted(marked_tables.table(DOCUMENT, "soak"))
        write_table(DOCUMENT, "soak", table(added(known, killed)))


if __name__ == "__main__":
    main()
