"""What the commands that train share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlphys import terminal

if TYPE_CHECKING:
    from mlphys.commands.study import Request
    from mlphys.config.experiment import ResolvedExperiment
    from mlphys.schema.document import Document
    from mlphys.studies.study_file import Study, StudyFile


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C exits with 130 and says how to resume."""
    from mlphys.commands.prepared_run import Interrupted

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # sent by batch systems to end a job
    try:
        yield
    except Interrupted as interrupted:
        terminal.complain(str(interrupted))
        sys.stdout.flush()
        os._exit(130)  # TensorFlow's threads may still be busy with the rest of a chunk


def train_study(
    document: Document, loaded: ResolvedExperiment, request: Request, go_on: bool, no_report: bool, quiet: bool
) -> None:
    """Train a study, or resume it, and print what its members say together."""
    from mlphys.commands import study
    from mlphys.studies.progress import reporter

    unfinished = study.unfinished(document, loaded, request) if go_on else None
    if go_on and not unfinished:
        say(quiet)("no study to resume: starting a new one")
    with interruptible():
        if unfinished:
            content = study.resume(unfinished, request, False, reporter(quiet), say(quiet))
            trained_study = unfinished
        else:
            trained_study, content = study.begin(document, loaded, request, reporter(quiet), say(quiet))
    print_study(trained_study, content, no_report, quiet)


def print_study(study: Study, content: StudyFile, no_report: bool, quiet: bool) -> None:
    """Write the page of a study, and print what it says. Raises UserError where all of its members failed."""
    from mlphys.errors import UserError
    from mlphys.show.study import studied

    if content.members and all(record.state == "failed" for record in content.members):
        raise UserError(f"{study.path}: all members failed; the first: {content.members[0].reason}")
    if not no_report:
        write_page(study.path)
    terminal.echo(str(study.path) if quiet else studied(study.path, content))


def write_page(path: Path) -> None:
    """Write the page of a run or a study that was trained or measured; stderr says what hindered it."""
    from mlphys.commands import report
    from mlphys.errors import UserError

    try:
        report.write(path)
    except UserError as error:
        terminal.complain(f"no page: {error}")


def refuse_given(options: Mapping[str, bool], why: str) -> None:
    from mlphys.errors import UserError

    names = [name for name, is_set in options.items() if is_set]
    if names:
        raise UserError(f"{names[0]}: {why}; leave it out")


def say(quiet: bool) -> Any:
    return (lambda text: None) if quiet else terminal.echo
