"""From a study's open members to their results: orders out, events in, every change written down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.schema.document import Document
from mlphys.studies import members
from mlphys.studies.executor import Ended, Event, Executor
from mlphys.studies.member_queue import MemberQueue
from mlphys.studies.progress import StudyReporter
from mlphys.studies.study_file import Study, StudyFile


def conduct(study: Study, queue: MemberQueue, executor: Executor, reporter: StudyReporter) -> StudyFile:
    """Train the members of `queue`. Raises KeyboardInterrupt after what is under way has a checkpoint.

    A member that fails is recorded and ends nothing else. However the process ends, study.json says of each member
    whether it has ended.
    """
    content = study.read()
    base = Document(content.config, content.source, {})
    running = set[int]()
    reporter.begin(queue.left, executor.slots)

    def report(event: Event) -> None:
        nonlocal content
        if isinstance(event, Ended):
            running.discard(event.number)
            content = study.ended(event.number, event.result)
            if curve := queue.curve(content, event.number):
                content = study.update(event.number, curve=dict(curve))
            reporter.ended(content.record(event.number))
            return
        reporter.epoch(event)
        if reason := queue.why_stop(content, event):
            executor.stop(event.number, reason)

    try:
        with executor:
            while True:
                while len(running) < executor.slots and (number := queue.take(study)) is not None:
                    content = study.began(number)
                    running.add(number)
                    reporter.began(content.record(number))
                    member = content.record(number).member
                    executor.submit(study.order(content, number, members.document(base, member)))
                if not running:
                    break
                executor.wait(report)
    except BaseException:
        with contextlib.suppress(UserError):  # the disk may be full
            for number in running:
                study.update(number, state="interrupted")
        raise
    finally:
        reporter.end()
    return content


def open_members(study: Study, content: StudyFile, retry: bool) -> tuple[list[int], list[int]]:
    """The members that are not trained to their end, and those of them whose runs are gone.

    With `retry`, those that failed are among them.
    """
    again = ("failed",) if retry else ()
    unfinished = [record.number for record in content.members if not record.ended or record.state in again]
    ended = [record.number for record in content.members if record.state in ("done", "diverged", "pruned")]
    gone = [number for number in ended if not os.path.exists(study.run_path(number) / "config.yaml")]
    return sorted({*unfinished, *gone}), gone


@contextlib.contextmanager
def held(folder: Path, shard: Shard | None) -> Iterator[None]:
    """Hold a study for this process; several may train its shards. Raises UserError while another process holds it."""
    if shard is None:
        with atomic.locked(folder, "study"):
            yield
        return
    own = folder / f".shard-{shard[0]}-of-{shard[1]}"
    with atomic.locked(folder, "study", shared=True):
        own.touch()
        with atomic.locked(own, "shard"):
            yield


Shard = tuple[int, int]  # number I, from 1 on, of N


def of_shard(numbers: Sequence[int], shard: Shard | None) -> list[int]:
    """Those members that a shard trains: every N-th."""
    return [number for number in numbers if shard is None or (number - 1) % shard[1] == shard[0] - 1]


def parsed_shard(text: str | None) -> Shard | None:
    """`3/10` as (3, 10). Raises UserError."""
    if text is None:
        return None
    index, slash, count = text.partition("/")
    if not slash or not index.isdecimal() or not count.isdecimal() or not 1 <= int(index) <= int(count):
        raise UserError(f"--shard: expected I/N, such as 1/10 for the first of ten; received {text}")
    return int(index), int(count)
