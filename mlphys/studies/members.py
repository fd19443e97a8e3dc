"""The members of a study: what each of them changes in the config, and what each config then is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlphys.config.experiment import Experiment, ResolvedExperiment
from mlphys.config.load import validate
from mlphys.config.overrides import with_key
from mlphys.errors import UserError
from mlphys.schema.document import Document, flow, parse
from mlphys.schema.study import Study, axis, options

MOST_WITHOUT_YES = 200  # members; more are trained with --yes only
MOST = 10_000
MOST_REPORTED = 5  # members whose configs are wrong
LAST_SEED = 2**63 - 1

# What a study sets itself, or what is no part of what a member trains.
RESERVED = {
    "name": "it names the study's folder",
    "about": "it changes nothing that is trained",
    "study": "a study holds no other",
    "data.folds": "write data.folds into the config: each fold is a member",
    "data.fold": "write data.folds into the config: each fold is a member",
}


@dataclass(frozen=True)
class Member:
    """One run of a study: `overrides` are its keys and values, `labels` what a grid's values are called.

    `pins` say which finished runs its training begins with, as they were when the study began.
    """

    number: int
    overrides: Mapping[str, Any]
    labels: Mapping[str, str]
    pins: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        varied = {**{key: flow(value) for key, value in self.overrides.items()}, **self.labels}
        return f"member {self.number} ({', '.join(f'{key}={value}' for key, value in varied.items())})"


@dataclass(frozen=True)
class Plan:
    """What a study varies of a config: the values of the grid's keys by their labels, seeds and folds."""

    grid: Mapping[str, Mapping[str, Any]]
    seeds: Sequence[int]
    folds: int | None

    def __len__(self) -> int:
        count = max(1, len(self.seeds)) * (self.folds or 1)
        for values in self.grid.values():
            count *= len(values)
        return count

    def members(self) -> Iterator[Member]:
        """Every combination; seeds change fastest, then folds, then the last key of the grid."""
        keys = list(self.grid)
        seeds: list[dict[str, Any]] = [{"seed": seed} for seed in self.seeds] or [{}]
        folds: list[dict[str, Any]] = [{"data.fold": fold} for fold in range(self.folds or 0)] or [{}]
        points = itertools.product(*(self.grid[key].items() for key in keys))
        for number, (point, fold, seed) in enumerate(itertools.product(points, folds, seeds), 1):
            labels = {key: label for key, (label, _) in zip(keys, point, strict=True)}
            values = {key: value for key, (_, value) in zip(keys, point, strict=True)}
            yield Member(number, {**values, **fold, **seed}, labels)


def grid(pairs: Sequence[str]) -> dict[str, Any]:
    """The values of `--grid KEY=VALUES` by key, as they are written. Raises UserError for a key that is given twice."""
    values_by_key: dict[str, Any] = {}
    for pair in pairs:
        key, equals, values = pair.partition("=")
        if not equals or not key:
            raise UserError(f"--grid {pair}: expected key=values, such as --grid training.batch_size=[16,32,64]")
        if key in values_by_key:
            raise UserError(f"--grid {key}: given twice; write all its values into one")
        values_by_key[key] = parse(values, f"--grid {key}").data
        try:
            axis(values_by_key[key])
        except ValueError as error:
            raise UserError(f"--grid {key}: {error}; received {values or 'nothing'}") from None
    return values_by_key


def plan(study: Study, experiment: Experiment, source: str) -> Plan:
    """What `study` varies of the config in `source`. Raises UserError where the parts do not go together."""
    require_keys(study, source)
    if study.seeds and "seed" in study.grid:
        raise UserError(f"{source}: a grid over seed and {study.seeds} seeds; leave one of them out")
    if study.seeds and experiment.seed + study.seeds - 1 > LAST_SEED:
        raise UserError(f"{source}: {study.seeds} seeds from {experiment.seed} on are beyond {LAST_SEED}; lower seed")
    seeds = range(experiment.seed, experiment.seed + (study.seeds or 0))
    folds = experiment.data.folds if experiment.data.fold is None else None
    return Plan({key: _options(key, values, source) for key, values in study.grid.items()}, seeds, folds)


def _options(key: str, values: Any, source: str) -> dict[str, Any]:
    try:
        return options(values)
    except ValueError as error:
        raise UserError(f"{source}: grid over {key}: {error}") from None


def require_keys(study: Study, source: str) -> None:
    """Raise UserError for keys that cannot vary, and for one inside of another."""
    for key in study.grid:
        reason = RESERVED.get(key) or next((why for name, why in RESERVED.items() if key.startswith(f"{name}.")), None)
        if reason:
            raise UserError(f"{source}: grid over {key}: {reason}; leave it out of the grid")
        holding = [other for other in study.grid if key.startswith(f"{other}.")]
        if holding:
            raise UserError(f"{source}: grid over {key} and over {holding[0]}, which holds it; leave one out")


def require_number(count: int, source: str, allowed: bool) -> None:
    """Raise UserError for a study of too many members, which a slip in a grid makes easily."""
    if count > MOST:
        raise UserError(f"{source}: {count} members are more than a study holds, {MOST}; make the grid smaller")
    if count > MOST_WITHOUT_YES and not allowed:
        raise UserError(
            f"{source}: {count} members are more than {MOST_WITHOUT_YES}; --dry-run lists them, --yes trains them"
        )


def document(config: Document, member: Member) -> Document:
    """The config of a member; a message about it names the member."""
    data = {key: value for key, value in config.data.items() if key != "study"}
    changed = Document(data, config.name, config.places, config.overrides)
    for key, value in {**member.overrides, **member.pins}.items():
        changed = with_key(changed, key, value, f"{config.name}: {member}")
    return changed


def validated(config: Document, members: Sequence[Member]) -> dict[int, ResolvedExperiment]:
    """The experiments by the numbers of their members, one for all that differ in nothing but the seed.

    Raises UserError with what is wrong in any of them.
    """
    resolved: dict[str, ResolvedExperiment] = {}
    wrong: dict[str, str] = {}
    by_number = {}
    for member in members:
        point = flow({key: value for key, value in member.overrides.items() if key != "seed" or key in member.labels})
        if point not in resolved and point not in wrong:
            try:
                resolved[point] = validate(document(config, member))
            except UserError as error:
                wrong[point] = str(error)
        if point in resolved:
            by_number[member.number] = resolved[point]
    if wrong:
        messages = list(wrong.values())
        more = [f"... and {len(messages) - MOST_REPORTED} more members"] if len(messages) > MOST_REPORTED else []
        raise UserError("\n".join([*messages[:MOST_REPORTED], *more]))
    return by_number


def pinned(member: Member, resolved: ResolvedExperiment) -> Member:
    """The member with the runs, or the file, that its training begins with: names under runs/ change."""
    encoder, initial = resolved.experiment.model.pretrained_encoder(), resolved.experiment.training.initial
    pins: dict[str, str] = {}
    if encoder:
        pins |= {"model.encoder.run": encoder.run, "model.encoder.sha256": str(encoder.sha256)}
    if initial:
        pins |= {f"training.initial.{key}": str(value) for key, value in initial.model_dump().items()}
    return replace(member, pins=pins)
