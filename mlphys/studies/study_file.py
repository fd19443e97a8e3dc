"""study.json: what was requested, and how far each member is; the only state of a study."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from mlphys import machine
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_folder import STUDY, RunFolder
from mlphys.runs.measured_files import Bounded, Number
from mlphys.schema.document import Document, dotted, flow
from mlphys.schema.fields import Count, Seed, Whole
from mlphys.studies.executor import Order, Result
from mlphys.studies.members import MOST, Member

LARGEST = 64_000_000  # bytes

State = Literal["waiting", "running", "interrupted", "done", "diverged", "failed", "pruned"]
ENDED = ("done", "diverged", "failed", "pruned")  # not trained again, unless requested
Metrics = dict[str, Number]


class ExecutorFacts(BaseModel):
    """Where the members are trained, so many at once: in this process, by processes of this machine, or by Ray."""

    model_config = ConfigDict(extra="forbid")
    name: str
    workers: Whole


class MemberRecord(BaseModel):
    """What study.json holds of a member.

    `moved`: whether a member that was resumed continued from its checkpoint, or why it was trained from its start.
    `curve`: of a search, the validation curve at the epochs at which members are compared.
    """

    model_config = ConfigDict(extra="forbid")
    number: Count
    overrides: dict[str, Any]
    labels: dict[str, str]
    pins: dict[str, str] = {}
    directory: str
    state: State = "waiting"
    reason: str | None = None
    epochs: Whole | None = None
    best_epoch: Whole | None = None
    stopped: Literal["early_stopping", "epochs", "target"] | None = None
    seconds: Annotated[FiniteFloat, Bounded] | None = None
    metrics: dict[str, Metrics] = {}
    environment: dict[str, Any] | None = None
    moved: str | None = None
    curve: dict[Count, Annotated[FiniteFloat, Bounded]] = {}

    @property
    def member(self) -> Member:
        return Member(self.number, self.overrides, self.labels, self.pins)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Numbers(BaseModel):
    """The numbers of a key that a search may take: all between two ends, or the whole ones."""

    model_config = ConfigDict(extra="forbid")
    first: int | FiniteFloat
    last: int | FiniteFloat
    log: bool
    whole: bool

    @model_validator(mode="after")
    def _in_order(self) -> Numbers:
        if not self.first < self.last or (self.log and self.first <= 0):
            raise ValueError("its ends are no range")
        return self


class SearchFacts(BaseModel):
    """What study.json holds of a search: how many trials, and by key a range, or the choices by their labels."""

    model_config = ConfigDict(extra="forbid")
    trials: Count
    prune: bool
    ranges: dict[str, Numbers]
    choices: dict[str, dict[str, Any]]

    @property
    def keys(self) -> list[str]:
        return [*self.ranges, *self.choices]


class StudyFile(BaseModel):
    """The content of study.json. `config` is as it was written, with --set; members change it."""

    model_config = ConfigDict(extra="forbid")
    mlphys: str
    command: str
    name: str
    source: str
    config: dict[str, Any]
    grid: dict[str, dict[str, Any]]
    seeds: list[Seed]
    folds: Whole | None
    evaluated: Literal["validation", "test"]
    chooses: bool
    executor: ExecutorFacts
    threads: Annotated[int, Field(ge=1, le=machine.MOST_THREADS)]
    search: SearchFacts | None = None
    members: Annotated[list[MemberRecord], Field(max_length=MOST)]

    @property
    def total(self) -> int:
        """How many members it has when it is complete; those of a search are made one after the other."""
        return self.search.trials if self.search else len(self.members)

    def record(self, number: int) -> MemberRecord:
        return self.members[number - 1]

    def same_request(self, other: StudyFile) -> bool:
        """Whether the same members were requested, evaluated on the same split."""
        request = {"config", "grid", "seeds", "folds", "evaluated", "search"}
        return self.model_dump(include=request) == other.model_dump(include=request)


class Study:
    """A study's folder: its file, its members' runs, and the changes that its training makes."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def shared(cls, folder: Path, content: StudyFile) -> Study:
        """The study in `folder`, written there unless it is there already, which another process may do as well.

        Raises UserError where the folder holds another study, or something else.
        """
        atomic.make(folder)
        study = cls(folder)
        with atomic.waited_for(folder / ".update"):
            if os.path.exists(folder / STUDY):
                if not study.read().same_request(content):
                    raise UserError(f"{folder}: holds another study; name another folder with --out")
            elif any(not path.name.startswith(".") for path in folder.iterdir()):
                raise UserError(f"{folder}: exists and is not empty; name another folder with --out")
            else:
                study.write(content)
        return study

    def read(self) -> StudyFile:
        """Raises UserError when it is missing or damaged."""
        path = self.path / STUDY
        if not os.path.exists(path):
            raise UserError(f"{self.path}: no study; `mlphys sweep CONFIG` makes one")
        try:
            content = StudyFile.model_validate(json.loads(RunFolder(self.path).read(STUDY, LARGEST)))
        except ValidationError as error:
            where = dotted(error.errors()[0]["loc"])
            raise UserError(f"{path}: damaged: {where} is missing or wrong; start a new study") from None
        except (ValueError, RecursionError):
            raise UserError(f"{path}: damaged: not readable as JSON; start a new study") from None
        if content.total < 1 or len(content.members) > content.total:
            raise UserError(f"{path}: damaged: members is missing or wrong; start a new study")
        for number, record in enumerate(content.members, 1):
            if not set(record.labels) <= set(record.overrides):
                raise UserError(f"{path}: damaged: labels of member {number} are of other keys; start a new study")
            if record.number != number or record.directory != f"members/{number}":
                raise UserError(f"{path}: damaged: member {number} is not where it should be; start a new study")
        return content

    def write(self, content: StudyFile) -> None:
        atomic.write(self.path / STUDY, atomic.as_json(content.model_dump()))

    def update(self, number: int, **changes: Any) -> StudyFile:
        """Change the record of one member; other processes may train other shards of the study."""
        with atomic.waited_for(self.path / ".update"):
            content = self.read()
            changed = content.record(number).model_copy(update=changes)
            content.members[number - 1] = MemberRecord.model_validate(changed.model_dump())
            self.write(content)
            if changed.ended:
                atomic.write(self.path / "summary.csv", summary(content))
        return content

    def add(self, member: Member) -> StudyFile:
        """Write down one more member, the next by its number, before it is trained."""
        content = self.read()
        content.members.append(recorded(member))
        self.write(content)
        return content

    def began(self, number: int) -> StudyFile:
        return self.update(number, state="running", reason=None)

    def ended(self, number: int, result: Result) -> StudyFile:
        facts = {name: getattr(result, name) for name in RESULT}
        return self.update(number, **facts)

    def run_path(self, number: int) -> Path:
        RunFolder(self.path).names(f"members/{number}")  # refuses links: a member is inside its study
        return self.path / "members" / str(number)

    def order(self, content: StudyFile, number: int, document: Document) -> Order:
        """What an executor needs to train a member, or to resume it."""
        splits = ("test",) if content.evaluated == "test" else ()
        return Order(number, content.source, document.data, str(self.run_path(number)), content.threads, splits)


RESULT = ("state", "reason", "epochs", "best_epoch", "stopped", "seconds", "metrics", "environment", "moved")


def recorded(member: Member) -> MemberRecord:
    """A member that waits to be trained."""
    return MemberRecord(
        number=member.number,
        overrides=dict(member.overrides),
        labels=dict(member.labels),
        pins=dict(member.pins),
        directory=f"members/{member.number}",
    )


def summary(content: StudyFile) -> str:
    """summary.csv: a row for each member that has ended, with what it changes, its state and its metrics."""
    ended = [record for record in content.members if record.ended]
    keys = list(dict.fromkeys(key for record in content.members for key in record.overrides))
    metrics = list(
        dict.fromkeys(
            f"{split}.{name}" for record in ended for split, values in record.metrics.items() for name in values
        )
    )
    columns = ["member", *keys, "state", "epochs", "best_epoch", "stopped", "seconds", *metrics, "reason"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for record in ended:
        facts = {name: getattr(record, name) for name in ("state", "epochs", "best_epoch", "stopped", "seconds")}
        varied = {**{key: _cell(value) for key, value in record.overrides.items()}, **record.labels}
        measured = {f"{split}.{name}": value for split, each in record.metrics.items() for name, value in each.items()}
        writer.writerow({"member": record.number, **varied, **facts, **measured, "reason": record.reason})
    return text.getvalue()


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else flow(value)


def main_metrics(metrics: Mapping[str, Any], measured: Sequence[str]) -> Metrics:
    """The numbers of a split, without those of each class; those that the kind of model is `measured` by come first."""
    names = [*[name for name in measured if name in metrics], *metrics]
    return {name: metrics[name] for name in names if isinstance(metrics[name], int | float | None)}


def located(name: str, root: Path = Path("runs")) -> Study | None:
    """The study at a path, or of a name under `root` where its newest folder is one; None where there is none."""
    for path in (Path(name), root / name):
        if os.path.exists(path / STUDY):
            return Study(path)
        if os.path.isdir(path):
            numbered = [folder for folder in path.iterdir() if folder.name.isdecimal()]
            begun = [folder for folder in numbered if any((folder / file).exists() for file in (STUDY, "config.yaml"))]
            if begun and (newest := max(begun, key=lambda folder: int(folder.name))) / STUDY:
                return Study(newest) if (newest / STUDY).exists() else None
    return None
