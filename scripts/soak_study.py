"""Kill a study at random instants, resume it until it is done, and compare every member with a training alone.

python -m scripts.soak_study                       # 20 kills, about ten minutes
python -m scripts.soak_study --kills 5 --seed 7    # fewer, the same instants again
python -m scripts.soak_study --write               # adds the counts to docs/reproducibility.md
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from scripts import marked_tables
from scripts.marked_tables import ROOT, write_table

EXPERIMENT: dict[str, Any] = {
    "name": "soak",
    "data": {"name": "digits", "train": 300, "validation": 100, "test": 50},
    "model": {
        "kind": "classifier",
        "layers": [
            "Flatten",
            {"Dense": {"units": 24, "activation": "relu"}},
            {"Dropout": {"rate": 0.2}},
            {"Dense": {"units": 10, "activation": "softmax"}},
        ],
    },
    "training": {"optimizer": "adam", "batch_size": 20, "epochs": 1000},
}
DOCUMENT = ROOT / "docs" / "reproducibility.md"
COMPARED = ("weights.safetensors", "metrics.json", "predictions_validation.npz")
COMMAND = [sys.executable, "-c", "from mlphys.cli import main; main()"]
SWEEP = [
    *("sweep", "soak.yaml", "--grid", "training.batch_size=[20,40]", "--seeds", "2"),
    *("--workers", "2", "--threads", "1", "--out", "study", "--quiet"),
]
LONGEST = 12.0  # seconds until the next kill: a worker needs some to import TensorFlow
LEAST = 1.0
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def killed(folder: Path, kills: int, rng: random.Random, longest: float) -> tuple[Counter[str], float]:
    """Train the study in `folder` to its end, killed at most so many times, each time within `longest` seconds.

    The signals that it took, and how long the last command ran, which no signal reached.
    """
    sent: Counter[str] = Counter()
    while True:
        begun = (folder / "study" / "study.json").exists()
        command = ["resume", "study", "--quiet"] if begun else SWEEP
        process, began = subprocess.Popen([*COMMAND, *command], cwd=folder, stderr=subprocess.DEVNULL), time.monotonic()
        try:
            if process.wait(rng.uniform(LEAST, longest) if sent.total() < kills else None) == 0:
                return sent, time.monotonic() - began
            raise SystemExit(f"soak: mlphys {' '.join(command)} ended with {process.returncode}")
        except subprocess.TimeoutExpired:
            chosen = rng.choice(SIGNALS)
            process.send_signal(chosen)
            process.wait()
            sent[chosen.name] += 1


def different(folder: Path) -> list[str]:
    """The files of members that are not those of the same training alone."""
    changed = []
    for member in json.loads((folder / "study" / "study.json").read_text())["members"]:
        if member["state"] != "done":
            changed.append(f"member {member['number']}: {member['state']}: {member['reason']}")
            continue
        alone = folder / "alone" / str(member["number"])
        changes = [part for key, value in member["overrides"].items() for part in ("--set", f"{key}={value}")]
        train = ["train", "soak.yaml", "--threads", "1", "--quiet", "--out", str(alone), *changes]
        subprocess.run([*COMMAND, *train], cwd=folder, check=True)
        run = folder / "study" / member["directory"]
        changed += [f"{run}/{name}" for name in COMPARED if (run / name).read_bytes() != (alone / name).read_bytes()]
    return changed


def table(sent: Counter[str]) -> str:
    """Number of kills of a study by signal."""
    names = list(dict.fromkeys(each.name for each in SIGNALS))
    lines = ["| a study ended by | " + " | ".join(names) + " | all |", "|---" * (len(names) + 2) + "|"]
    return "\n".join([*lines, f"| kills | {' | '.join(str(sent[name]) for name in names)} | {sent.total()} |"])


def counted(text: str) -> Counter[str]:
    """The kills of a table, which others are added to."""
    head, _, row = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return Counter(dict(zip(head[1:-1], map(int, row[1:-1]), strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--write", action="store_true", help="add the counts to docs/reproducibility.md")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    rng, sent, studies, longest = random.Random(arguments.seed), Counter[str](), 0, LONGEST
    while sent.total() < arguments.kills:  # a study that ends before its last kill is followed by another
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "soak.yaml").write_text(yaml.safe_dump(EXPERIMENT))
            signals, seconds = killed(folder, arguments.kills - sent.total(), rng, longest)
            sent, longest = sent + signals, max(LEAST, min(longest, seconds))  # a fast machine ends before LONGEST
            if changed := different(folder):
                raise SystemExit("different: " + "; ".join(changed))
        studies += 1
        print(f"{sent.total()} kills in {studies} studies, every member as trained alone", flush=True)
    if arguments.write:
        write_table(DOCUMENT, "soak_study", table(counted(marked_tables.table(DOCUMENT, "soak_study")) + sent))


if __name__ == "__main__":
    main()
