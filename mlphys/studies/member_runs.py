"""The finished members of a study as runs."""

from __future__ import annotations

from mlphys.runs.run import Run
from mlphys.studies.study_file import MemberRecord, Study


def member_runs(study: Study) -> list[Run]:
    """Those that were trained to their end, by number."""
    return [member_run(study, record) for record in study.read().members if record.state == "done"]


def member_run(study: Study, record: MemberRecord) -> Run:
    return Run(study.run_path(record.number))
