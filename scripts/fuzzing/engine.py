"""Fuzz one target: blind, which changes its corpus at random, or guided by atheris (libFuzzer for Python).

python -m scripts.fuzzing.engine TARGET FOLDER guided INPUTS SECONDS keeps inputs that reach new lines of mlphys, and
takes three times as long for each; with `merge OTHER` it writes the smallest inputs that reach as much as the corpus.
The target's folder holds the corpus, the count of the inputs, and `found`: inputs that break the contract, one of each
place where it breaks, with the traceback; `mended` are those that once did, `crashed` ended the process, or would not
have ended: a fault of a library, which is a message where that runs in a process of its own. The folder that the
process is started in is for the files that it writes.
"""

from __future__ import annotations

import hashlib
import importlib
import mmap
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.fuzzing.contract import Target

ROOMS = ("io", "schema", "config", "runs", "studies", "server", "training.checkpoint")  # whose lines guide
MEMORY = 3_000_000_000  # bytes of address space beside what is mapped before the first input
WAIT = 60  # seconds after which libFuzzer ends an input
LONGEST_INPUT = 8  # seconds of processor time, where not even Python notices that time is over
COUNT, LENGTH, LONGEST = 8, 4, 65_536  # bytes of the number of inputs, of the length of the last one, and of it


def main() -> None:
    name, folder, how, *rest = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    import atheris

    atheris.instrument_imports(include=[f"mlphys.{room}" for room in ROOMS]).__enter__()  # and of later imports
    mutation = importlib.import_module("scripts.fuzzing.mutation")
    target = importlib.import_module("scripts.fuzzing.named").target(name)
    one, known = prepared(target, folder)

    def mutated(content: bytes, longest: int, seed: int) -> bytes:
        if seed % 4 == 0:
            return bytes(atheris.Mutate(content, longest))
        return bytes(mutation.edited(content, mutation.edits(Random(seed)), known, longest))

    # a merge starts this again, by a shell, for one part of the inputs after the other
    command = " ".join([sys.executable, "-m", "scripts.fuzzing.engine", name, str(folder), "part_of_a_merge"])
    atheris.Setup([command, *_options(how, rest, target, folder)], one, custom_mutator=mutated)
    atheris.Fuzz()


def _options(how: str, rest: list[str], target: Target, folder: Path) -> list[str]:
    """libFuzzer's; a part of a merge is given them."""
    if how == "part_of_a_merge":
        return rest
    work = ["-merge=1", *rest] if how == "merge" else [f"-runs={rest[0]}", f"-max_total_time={rest[1]}"]
    limits = [f"-max_len={target.longest}", f"-timeout={WAIT}", "-rss_limit_mb=4096"]
    return [*work, *limits, f"-artifact_prefix={folder}/found/", str(folder / "corpus")]


def blind(target: Target, folder: Path, inputs: int, seconds: float) -> None:
    """Change inputs of the corpus at random, for so many inputs or seconds of processor time."""
    from scripts.fuzzing import mutation

    one, known = prepared(target, folder)
    corpus = [path.read_bytes() for path in (folder / "corpus").iterdir()]
    random, until = Random(), time.process_time() + seconds
    for _ in range(inputs):
        if time.process_time() > until:
            return
        signal.setitimer(signal.ITIMER_PROF, LONGEST_INPUT)  # ends the process: no handler runs inside of a library
        one(mutation.edited(random.choice(corpus), mutation.edits(random), known, target.longest))


def prepared(target: Target, folder: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """What opens an input, counts it and keeps it if it breaks the contract; and the words of the seeds."""
    contract = importlib.import_module("scripts.fuzzing.contract")
    mutation = importlib.import_module("scripts.fuzzing.mutation")
    corpus, found = folder / "corpus", folder / "found"
    for each in (corpus, found, folder / "mended"):
        each.mkdir(parents=True, exist_ok=True)
    seeds = target.seeds()
    for seed in seeds:
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    opened, count = target.begin(Path.cwd()), _counter(folder / "count")
    for path in [path for path in found.iterdir() if path.suffix != ".txt"]:
        _look_again(path, opened, contract.hold)

    def one(content: bytes) -> None:
        number = int.from_bytes(count[:COUNT], "little") + 1
        start = number.to_bytes(COUNT, "little") + len(content).to_bytes(LENGTH, "little")
        count[: len(start) + len(content)] = start + content  # outlasts a crash
        try:
            contract.hold(opened, content)
        except Exception as error:
            _keep(found, content, error)

    _limit_memory()
    return one, mutation.words(seeds)


def counted(folder: Path) -> tuple[int, bytes]:
    """How many inputs of a target there were, and the last of them."""
    path = folder / "count"
    content = path.read_bytes() if path.exists() else bytes(COUNT + LENGTH)
    length = int.from_bytes(content[COUNT : COUNT + LENGTH], "little")
    return int.from_bytes(content[:COUNT], "little"), content[COUNT + LENGTH :][:length]


def _counter(path: Path) -> mmap.mmap:
    path.touch()
    with path.open("r+b") as file:
        file.truncate(COUNT + LENGTH + LONGEST)
        return mmap.mmap(file.fileno(), COUNT + LENGTH + LONGEST)


def _limit_memory() -> None:
    """An input that asks for more raises MemoryError."""
    limits = importlib.import_module("mlphys.io.resource_limits")  # late, as all of mlphys that is traced
    resource.setrlimit(resource.RLIMIT_AS, (limits.mapped() + MEMORY,) * 2)


def _look_again(path: Path, opened: Callable[[bytes], object], hold: Callable[..., str]) -> None:
    """Move an input that no longer breaks the contract to those that are mended."""
    try:
        hold(opened, path.read_bytes())
    except Exception:
        return
    path.rename(path.parent.parent / "mended" / path.name)
    path.with_suffix(".txt").unlink(missing_ok=True)


def _keep(found: Path, content: bytes, error: Exception) -> None:
    """Write the smallest input of each place that raises."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/mlphys/" in frame.filename]
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(error)[:30]
    name = hashlib.sha1(f"{type(error).__name__} {place}".encode()).hexdigest()[:12]
    path = found / name
    if not path.exists() or path.stat().st_size > len(content):
        path.write_bytes(content)
        lines = traceback.format_exception(error)
        path.with_suffix(".txt").write_text("".join(lines)[-6000:], errors="backslashreplace")


if __name__ == "__main__":
    main()
