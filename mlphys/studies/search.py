"""Optuna: values of the next trial (tree-structured Parzen estimator, Bergstra et al. 2011), and which end early.

Both follow from study.json alone: the trials that ended are added to a new study in memory each time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from mlphys.config.experiment import ResolvedExperiment
from mlphys.config.load import validate
from mlphys.errors import UserError
from mlphys.numerics.randomness import rng
from mlphys.schema.document import Document, flow
from mlphys.schema.study import Range, axis
from mlphys.schema.study import Study as StudyBlock
from mlphys.studies import members
from mlphys.studies.members import Member
from mlphys.studies.points import LOWER_IS_BETTER, main_metric
from mlphys.studies.study_file import MemberRecord, Numbers, SearchFacts, StudyFile

ATTEMPTS = 20  # draws before a combination that was not tried yet is drawn at random
COMPARED_FROM = 5  # finished trials
UNCOMPARED = 0.25  # of a trial's epochs: its beginning says little, and small steps begin slowly


def require_installed() -> ModuleType:
    """Optuna. Raises UserError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UserError("--search needs the package optuna; install it with pip install 'mlphys[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def requested(study: StudyBlock, loaded: ResolvedExperiment, document: Document) -> SearchFacts:
    """What `study` searches. Raises UserError where that cannot be, or where a config of it is wrong."""
    source, experiment = document.name, loaded.experiment
    assert study.search
    members.require_keys(study, source)
    _require_one_run_a_trial(study, loaded, source)
    if not study.grid:
        raise UserError(f"{source}: nothing to search; add --grid KEY=VALUES, such as {EXAMPLE}")
    axes = {key: axis(values) for key, values in study.grid.items()}
    choices = {key: values for key, values in axes.items() if not isinstance(values, Range)}
    ranges = {key: _numbers(document, key, values) for key, values in axes.items() if isinstance(values, Range)}
    facts = SearchFacts(trials=study.search, prune=study.prune, ranges=ranges, choices=choices)
    count = combinations(facts)
    if count is not None and study.search >= count:
        raise UserError(
            f"{source}: {study.search} trials of {count} combinations: leave --search out, which trains each of them "
            "once, or search fewer"
        )
    if not experiment.data.validation:
        raise UserError(f"{source}: a search chooses on validation, which has no samples; set data.validation")
    return facts


EXAMPLE = "--grid training.optimizer.Adam.learning_rate=1e-4:1e-1:log"


def _require_one_run_a_trial(study: StudyBlock, loaded: ResolvedExperiment, source: str) -> None:
    if study.seeds:
        raise UserError(
            f"{source}: a search and {study.seeds} seeds: each trial is one run; leave the seeds out, and train the "
            "chosen config with --seeds"
        )
    if loaded.experiment.data.folds is not None and loaded.experiment.data.fold is None:
        raise UserError(f"{source}: a search and data.folds: each trial is one run; leave data.folds out")
    if study.evaluate == "test":
        raise UserError(
            f"{source}: a search chooses, on validation; test is measured of the chosen member alone: leave "
            "--evaluate test out"
        )


def corners(facts: SearchFacts) -> list[Member]:
    """The first trial of each end of each range, and of each choice, the others at their first."""
    values = {key: {flow(end): end for end in (numbers.first, numbers.last)} for key, numbers in facts.ranges.items()}
    named = {**values, **facts.choices}
    first = {key: next(iter(each)) for key, each in named.items()}
    rows = [first, *({**first, key: label} for key, each in named.items() for label in list(each)[1:])]
    return [
        Member(number, {key: named[key][label] for key, label in row.items()}, row)
        for number, row in enumerate(rows, 1)
    ]


def _numbers(document: Document, key: str, interval: Range) -> Numbers:
    """The range of a key. Its values are whole numbers where the key takes no others."""
    first, last = (int(end) if interval.whole else end for end in (interval.first, interval.last))
    takes_whole = interval.whole and any(_takes(document, key, end) for end in (first, last))
    if takes_whole and not _takes(document, key, _between(interval)):
        return Numbers(first=first, last=last, log=interval.log, whole=True)
    return Numbers(first=float(interval.first), last=float(interval.last), log=interval.log, whole=False)


def _between(interval: Range) -> float:
    """A number that is not whole, near the middle of a range."""
    middle = math.sqrt(interval.first * interval.last) if interval.log else (interval.first + interval.last) / 2
    return math.floor(middle) + 0.5


def _takes(document: Document, key: str, value: float) -> bool:
    try:
        validate(members.document(document, Member(1, {key: value}, {})))
    except UserError:
        return False
    return True


def combinations(facts: SearchFacts) -> int | None:
    """How many there are; None: without end."""
    if not all(numbers.whole for numbers in facts.ranges.values()):
        return None
    whole = [int(numbers.last - numbers.first) + 1 for numbers in facts.ranges.values()]
    return math.prod([*whole, *(len(values) for values in facts.choices.values())])


def proposed(content: StudyFile) -> Member:
    """The next trial: values that no trial before has, drawn by the sampler of this trial's random numbers."""
    facts, optuna = _facts(content), require_installed()
    number = len(content.members) + 1
    random = rng(int(content.config.get("seed") or 0), "search", number)
    tried = {tuple(record.labels.values()) for record in content.members}
    for _ in range(ATTEMPTS):
        study = _told(content.members, content, optuna, int(random.integers(2**32)))
        drawn = study.ask(_distributions(facts, optuna)).params
        member = _member(number, facts, drawn)
        if tuple(member.labels.values()) not in tried:
            return member
    untried = (row for row in _every(facts) if tuple(_member(number, facts, row).labels.values()) not in tried)
    left = max(1, (combinations(facts) or 1) - len(tried))
    row = next(itertools.islice(untried, int(random.integers(left)), None), drawn)
    return _member(number, facts, row)


def _every(facts: SearchFacts) -> itertools.product[Any] | Any:
    keys = [*facts.ranges, *facts.choices]
    whole = [range(int(numbers.first), int(numbers.last) + 1) for numbers in facts.ranges.values()]
    if combinations(facts) is None:
        return iter(())
    return (dict(zip(keys, row, strict=True)) for row in itertools.product(*whole, *facts.choices.values()))


def _member(number: int, facts: SearchFacts, drawn: Mapping[str, Any]) -> Member:
    values = {key: _rounded(drawn[key], numbers) for key, numbers in facts.ranges.items()}
    labels = {key: flow(value) for key, value in values.items()} | {key: drawn[key] for key in facts.choices}
    return Member(number, {**values, **{key: facts.choices[key][drawn[key]] for key in facts.choices}}, labels)


def _rounded(value: float, numbers: Numbers) -> int | float:
    """Of six digits, as a config has them."""
    if numbers.whole:
        return int(value)
    return min(max(float(f"{value:.6g}"), numbers.first), numbers.last)


def why_pruned(content: StudyFile, number: int, curve: Mapping[int, float]) -> str | None:
    """Why a trial is not worth training further: its best value so far is worse than the median of those that have
    ended have at its last epoch. None: it is, or too little is known."""
    metric = main_metric(content)
    if metric is None:
        return None
    optuna = require_installed()
    done = [record for record in content.members if record.state == "done" and record.number != number]
    study = _told(done, content, optuna, 0)
    state = optuna.trial.TrialState.RUNNING
    study.add_trial(optuna.trial.create_trial(state=state, intermediate_values=dict(curve)))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=COMPARED_FROM, n_warmup_steps=0)
    if not pruner.prune(study, study.get_trials(deepcopy=False)[-1]):
        return None
    epoch, name = max(curve), f"{metric[0]} {metric[1]}"
    return f"{name} {curve[epoch]:.4g} after epoch {epoch}: worse than the median of the trials before"


def curve_of(content: StudyFile, recorded: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """The validation curve of a trial's rows of history by epoch, in the metric that trials are compared by."""
    metric = main_metric(content)
    column = f"validation_{metric[1]}" if metric else ""
    return {epoch: row[column] for epoch, row in recorded.items() if row.get(column) is not None}


def compared_at(epoch: int) -> bool:
    """Whether trials are compared at the end of this epoch: 1, 2, ..., 9, 10, 20, ..., 90, 100, 200, ..."""
    return epoch % 10 ** (len(str(epoch)) - 1) == 0


def _told(records: Sequence[MemberRecord], content: StudyFile, optuna: ModuleType, seed: int) -> Any:
    """A study in memory that knows the trials that have ended."""
    metric = main_metric(content)
    lower = metric is not None and metric[1].endswith(LOWER_IS_BETTER)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="minimize" if lower else "maximize", sampler=sampler)
    distributions = _distributions(_facts(content), optuna)
    states = {name: getattr(optuna.trial.TrialState, state) for name, state in STATES.items()}
    for record in records:
        value = record.metrics.get("validation", {}).get(metric[1]) if metric and record.state == "done" else None
        if record.state not in states or (record.state == "done" and value is None):
            continue
        try:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[record.state], value=value, params=_params(record, content),
                    distributions=distributions, intermediate_values=record.curve,
                )
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            raise UserError(f"study.json: damaged: member {record.number} is no trial of its search") from None
    return study


STATES = {"done": "COMPLETE", "pruned": "PRUNED", "diverged": "PRUNED"}  # one without a curve is worse than any other


def _params(record: MemberRecord, content: StudyFile) -> dict[str, Any]:
    facts = _facts(content)
    return {key: record.overrides[key] for key in facts.ranges} | {key: record.labels[key] for key in facts.choices}


def _distributions(facts: SearchFacts, optuna: ModuleType) -> dict[str, Any]:
    distributions: dict[str, Any] = {}
    for key, numbers in facts.ranges.items():
        if numbers.whole:
            kind = optuna.distributions.IntDistribution
            distributions[key] = kind(int(numbers.first), int(numbers.last), log=numbers.log)
        else:
            distributions[key] = optuna.distributions.FloatDistribution(numbers.first, numbers.last, log=numbers.log)
    for key, values in facts.choices.items():
        distributions[key] = optuna.distributions.CategoricalDistribution(list(values))
    return distributions


def _facts(content: StudyFile) -> SearchFacts:
    assert content.search
    return content.search
