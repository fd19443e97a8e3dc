"""Fuzz everything that reads what others made: configs, options, files of runs, data files, Keras's files, requests.

make fuzz SECONDS=600                          # goes on where it ended; atheris is needed
python -m scripts.fuzz --only npz --seconds 60 # one target
python -m scripts.fuzz --keep                  # the smallest inputs that reach everything, into tests/fuzz/corpus
python -m scripts.fuzz --write                 # the counts into docs/security.md, as after fuzzing

Each target gets LEAST inputs, then all get the same time. Some turns are guided by the lines that inputs reach. The
corpus grows in .fuzz/; the counts of all times are in tests/fuzz/counts.json. Inputs that break the contract are in
.fuzz/TARGET/found, with their tracebacks; the next turn of the target looks whether they are mended.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.fuzzing import engine
from scripts.fuzzing.named import TARGETS, target
from scripts.marked_tables import ROOT, write_table

LEAST = 20_000  # inputs of each target
TURN, PROCESSOR_SECONDS = 5_000, 60  # inputs of a target, then another one has its turn
GUIDED, GUIDED_TURN, LONGEST_TURN = 4, 3_000, 120  # one turn in so many is guided by the lines that inputs reach
WORK = ROOT / ".fuzz"
COUNTS, CORPUS = ROOT / "tests" / "fuzz" / "counts.json", ROOT / "tests" / "fuzz" / "corpus"
DOCUMENT = ROOT / "docs" / "security.md"
KEPT = 8_000  # bytes of the committed corpus of a target

Counts = dict[str, dict[str, Any]]


def counts() -> Counts:
    known = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    return {each.name: {"inputs": 0, "turns": 0, "seconds": 0.0, **known.get(each.name, {})} for each in TARGETS}


def next_target(found: Counts, names: Sequence[str]) -> str:
    """That with the fewest inputs while one has fewer than LEAST, then that with the least time."""
    behind = [name for name in names if found[name]["inputs"] < LEAST]
    if behind:
        return min(behind, key=lambda name: found[name]["inputs"])
    return min(names, key=lambda name: found[name]["seconds"])


def turn(name: str, seconds: float, found: Counts) -> None:
    """Fuzz a target for a while and count."""
    folder = WORK / name
    _unpack_corpus(name, folder / "corpus")
    before, began = engine.counted(folder)[0], time.monotonic()
    guided = found[name]["turns"] % GUIDED == GUIDED - 1
    code = _guided(name, seconds) if guided else _blind(name)
    found[name]["turns"] += 1
    found[name]["inputs"] += engine.counted(folder)[0] - before
    found[name]["seconds"] = round(found[name]["seconds"] + time.monotonic() - began, 1)
    broken = len(list((folder / "found").glob("*.txt"))) if (folder / "found").exists() else 0
    print(f"{name}: {found[name]['inputs']} inputs, {broken} found", flush=True)
    if code:
        print(f"{name}: ended with {code}", flush=True)
    COUNTS.parent.mkdir(parents=True, exist_ok=True)
    COUNTS.write_text(json.dumps(found, indent=1) + "\n")


def _blind(name: str) -> int:
    """In forks, which have imported all already; the last exit status that was none of success."""
    folder, until, failed = WORK / name, time.monotonic() + LONGEST_TURN, 0
    left = TURN
    while left > 0 and time.monotonic() < until:
        before, _ = engine.counted(folder)
        code = _forked(name, min(target(name).lasts, left))
        after, last = engine.counted(folder)
        left -= max(1, after - before)
        if code:
            failed = code
            (folder / "crashed").mkdir(exist_ok=True)
            (folder / "crashed" / hashlib.sha1(last).hexdigest()[:12]).write_bytes(last)
    return failed


def _forked(name: str, inputs: int) -> int:
    with _own_folder() as own:
        if (child := os.fork()) == 0:
            os.chdir(own)
            os.environ |= {"HOME": own, "XDG_CACHE_HOME": own}
            try:
                engine.blind(target(name), WORK / name, inputs, PROCESSOR_SECONDS)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _guided(name: str, seconds: float) -> int:
    return _engine(name, "guided", str(GUIDED_TURN), str(int(seconds) or 1))


def _engine(name: str, *arguments: str) -> int:
    command = [sys.executable, "-m", "scripts.fuzzing.engine", name, str(WORK / name), *arguments]
    with _own_folder() as own:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": own, "XDG_CACHE_HOME": own}
        done = subprocess.run(command, cwd=own, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        print(done.stderr[-600:], flush=True)
    return done.returncode


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory, if there is such a folder."""
    return tempfile.TemporaryDirectory(prefix="fuzz.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def _unpack_corpus(name: str, folder: Path) -> None:
    """Begin with the committed inputs where there are no others."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for i, content in enumerate(corpus(name)):
            (folder / f"kept{i}").write_bytes(content)


def corpus(name: str) -> list[bytes]:
    """The committed inputs of a target."""
    path = CORPUS / f"{name}.txt"
    return [base64.b64decode(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(name: str) -> None:
    """Write the smallest inputs that together reach what all reach, and all that once broke the contract."""
    folder = WORK / name
    merged = folder / "merged"
    if not (folder / "corpus").exists():
        return
    merged.mkdir(exist_ok=True)
    for old in merged.iterdir():
        old.unlink()
    _engine(name, "merge", str(merged))
    kept = [path.read_bytes() for path in sorted((folder / "mended").iterdir())]
    size = 0
    for content in sorted((path.read_bytes() for path in merged.iterdir()), key=len):
        size += len(content) * 4 // 3
        if size > KEPT:
            break
        kept.append(content)
    CORPUS.mkdir(parents=True, exist_ok=True)
    lines = dict.fromkeys(base64.b64encode(content).decode() for content in kept if content)
    if lines:
        (CORPUS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def table(found: Counts) -> str:
    lines = ["| target | inputs |", "|---|---|"]
    lines += [f"| {name} | {facts['inputs']:,} |" for name, facts in found.items()]
    return "\n".join([*lines, f"| all | {sum(facts['inputs'] for facts in found.values()):,} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--only", action="append", choices=[each.name for each in TARGETS])
    parser.add_argument("--keep", action="store_true", help="the smallest inputs into tests/fuzz/corpus")
    parser.add_argument("--write", action="store_true", help="the counts into docs/security.md")
    arguments = parser.parse_args()
    names = arguments.only or [each.name for each in TARGETS]
    with contextlib.suppress(ImportError):
        import h5py  # noqa: F401 - once, and not in each fork
    found, until = counts(), time.monotonic() + arguments.seconds
    if (arguments.seconds or arguments.keep) and importlib.util.find_spec("atheris") is None:
        raise SystemExit("fuzz: atheris is missing; `.venv/bin/pip install atheris` brings it (Linux)")
    while (left := until - time.monotonic()) > 1:
        turn(next_target(found, names), min(left, LONGEST_TURN), found)
    if arguments.keep:
        for name in names:
            keep(name)
    if arguments.write or arguments.seconds:
        write_table(DOCUMENT, "fuzz", table(found))
    broken = [path for name in names for path in (WORK / name).glob("found/*") if path.suffix != ".txt"]
    if arguments.seconds and broken:
        raise SystemExit("fuzz: the contract is broken by\n" + "\n".join(map(str, broken)))


if __name__ == "__main__":
    main()
