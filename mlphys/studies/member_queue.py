"""Which member is trained next: the members of a list, or the trials of a search, each made when it begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.schema.document import Document
from mlphys.studies import members, search
from mlphys.studies.executor import Epoch
from mlphys.studies.members import Member
from mlphys.studies.study_file import Study, StudyFile


class MemberQueue(Protocol):
    """Gives members to train, one after the other, and says which are not worth it any longer."""

    @property
    def left(self) -> int:
        """How many are still to come."""

    def take(self, study: Study) -> int | None:
        """The number of the next member, which is in study.json; None: there is none."""

    def why_stop(self, content: StudyFile, epoch: Epoch) -> str | None:
        """Why a member is not to be trained beyond this epoch; None: it is."""

    def curve(self, content: StudyFile, number: int) -> Mapping[int, float]:
        """What study.json keeps of a member's validation curve."""


class Listed:
    """Members of a list, all trained to their end."""

    def __init__(self, numbers: Sequence[int]):
        self._waiting = deque(numbers)

    @property
    def left(self) -> int:
        return len(self._waiting)

    def take(self, study: Study) -> int | None:
        return self._waiting.popleft() if self._waiting else None

    def why_stop(self, content: StudyFile, epoch: Epoch) -> str | None:
        return None

    def curve(self, content: StudyFile, number: int) -> Mapping[int, float]:
        return {}


class Trials:
    """First the trials that are to be resumed, then new ones, each with the values that those before suggest."""

    def __init__(self, content: StudyFile, unfinished: Sequence[int]):
        assert content.search
        self._unfinished = deque(unfinished)
        self._facts = content.search
        self._new = content.search.trials - len(content.members)
        self._base = Document(content.config, content.source, {})
        self._phases: dict[int, str | None] = {}  # the last, by member: the one whose curve is compared
        self._recorded: dict[int, dict[int, Mapping[str, Any]]] = {}

    @property
    def left(self) -> int:
        return len(self._unfinished) + self._new

    def take(self, study: Study) -> int | None:
        content = study.read()
        if self._unfinished:
            number = self._unfinished.popleft()
            self._begin(content.record(number).member)
            return number
        if not self._new:
            return None
        member = self._begin(search.proposed(content))
        study.add(member)
        self._new -= 1
        return member.number

    def why_stop(self, content: StudyFile, epoch: Epoch) -> str | None:
        if epoch.phase != self._phases[epoch.number] or not search.compared_at(epoch.epoch):
            return None
        recorded = self._recorded[epoch.number]
        recorded[epoch.epoch] = epoch.row
        if not self._facts.prune or epoch.epoch < search.UNCOMPARED * epoch.epochs or epoch.epoch == epoch.epochs:
            return None
        curve = search.curve_of(content, recorded)
        return search.why_pruned(content, epoch.number, curve) if epoch.epoch in curve else None

    def curve(self, content: StudyFile, number: int) -> Mapping[int, float]:
        return search.curve_of(content, self._recorded.pop(number, {}))

    def _begin(self, member: Member) -> Member:
        """The member with the finished runs that it begins with; one whose config is wrong fails when it is trained."""
        self._recorded[member.number] = {}
        try:
            resolved = validate(members.document(self._base, member))
        except UserError:
            self._phases[member.number] = None
            return member
        experiment = resolved.experiment
        plans = experiment.model.plans(experiment.training, resolved.net_input)
        self._phases[member.number] = plans[-1].name if plans else None
        return members.pinned(member, resolved)
