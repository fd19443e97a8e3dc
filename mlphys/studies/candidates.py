"""What is compared: a trained net, or an experiment of several seeds or folds, with the score of every sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlphys.config.experiment import Experiment
from mlphys.errors import UserError
from mlphys.networks.model_kind import ModelKind
from mlphys.numerics.comparison import weighted_parts
from mlphys.numerics.over_seeds import OverSeeds, over_folds, over_seeds
from mlphys.runs.run import Run, find, finished
from mlphys.schema.document import flow
from mlphys.studies.member_runs import member_run
from mlphys.studies.points import points
from mlphys.studies.study_file import located

SPLITS = ("test", "validation")
AS_RECORDED = 1e-3  # relative; a mean over samples in float32 may differ from that in metrics.json


@dataclass(frozen=True)
class Candidate:
    """One trained net, or the nets of a study that differ in seed and fold only; `folds` has the fold of each."""

    name: str
    runs: tuple[Run, ...]
    folds: tuple[int | None, ...]
    of_study: bool
    chosen: bool = False

    @property
    def config(self) -> Experiment:
        return self.runs[0].config

    @property
    def in_folds(self) -> bool:
        return self.folds[0] is not None

    @cached_property
    def count(self) -> str:
        return f"{len(set(self.folds))} folds" if self.in_folds else f"{len(self.runs)} seeds"

    def value(self, split: str, metric: str) -> OverSeeds | None:
        """Of a metric in metrics.json; None where a run lacks it."""
        metrics = [run.metrics[split] for run in self.runs]
        if any(not isinstance(each.get(metric), int | float) for each in metrics):
            return None
        values, errors = [each[metric] for each in metrics], [each.get(f"{metric}_stderr") for each in metrics]
        if not self.in_folds:
            return over_seeds(values, errors)
        rows = list(zip(self.folds, values, errors, strict=True))
        by_fold = [
            over_seeds(*zip(*[row[1:] for row in rows if row[0] == fold], strict=True))
            for fold in sorted(set(self.folds), key=str)
        ]
        return over_folds([fold.mean for fold in by_fold], [fold.sampling for fold in by_fold])

    def scores(self, split: str, metric: str) -> np.ndarray:
        """(runs, samples): the score of every sample in every run."""
        return np.stack([scores(run, split)[metric] for run in self.runs])

    def samples(self, split: str) -> dict[int | None, str]:
        """The checksum of the samples, by fold."""
        return {fold: run.data["splits"][split]["sha256"] for fold, run in zip(self.folds, self.runs, strict=True)}


def candidates(names: Sequence[str]) -> list[Candidate]:
    """The runs, and the points of the studies, of these names. Raises UserError for fewer than two."""
    result = [candidate for name in names for candidate in _of(name)]
    if len(result) < 2:
        raise UserError(f"{result[0].name}: nothing to compare it with; name two runs or studies, or a study of a grid")
    twice = next((one.name for i, one in enumerate(result) if one.name in [other.name for other in result[:i]]), None)
    if twice:
        raise UserError(f"{twice}: given twice; name it once")
    if len({candidate.of_study for candidate in result}) > 1:
        study = next(candidate.name for candidate in result if candidate.of_study)
        raise UserError(
            f"{study}: is a study, and others are single runs; compare runs with runs, studies with studies"
        )
    return result


def _of(name: str) -> Iterable[Candidate]:
    study = located(name)
    if study is None:
        run = finished(find(name))
        yield Candidate(run.name, (run,), (None,), False)
        return
    content = study.read()
    title = f"{study.path.resolve().parent.name}/{study.path.resolve().name}"
    for point in points(content):
        done = [record for record in point.records if record.state == "done"]
        if done:
            labels = ", ".join(f"{key.rpartition('.')[2]}={label}" for key, label in point.labels.items())
            folds = tuple(record.overrides.get("data.fold") for record in done)
            runs = tuple(member_run(study, record) for record in done)
            yield Candidate(f"{title} ({labels})" if labels else title, runs, folds, True, content.chooses)


def shared_split(candidates: Sequence[Candidate]) -> str:
    """The split that all were measured on. Raises UserError where there is none, or the samples are not the same."""
    runs = [run for candidate in candidates for run in candidate.runs]
    missing = {split: [run for run in runs if not run.folder.has(f"predictions_{split}.npz")] for split in SPLITS}
    split = next((split for split in SPLITS if not missing[split]), None)
    if split is None:
        path = missing[SPLITS[0]][0].path
        raise UserError(f"{path}: has no predictions on {SPLITS[0]}; `mlphys evaluate {path}` makes them")
    _require_same_samples(candidates, split)
    return split


def _require_same_samples(group: Sequence[Candidate], split: str) -> None:
    samples = group[0].samples(split)
    for run, fold in zip(group[0].runs, group[0].folds, strict=True):
        if run.data["splits"][split]["sha256"] != samples[fold]:
            raise UserError(f"{run.path}: its {split} samples are not those of the other runs of its study")
    for other in group[1:]:
        if other.samples(split) != samples:
            raise UserError(
                f"{group[0].name} and {other.name}: their {split} samples are not the same (sha256 in data.json), so "
                "there is no difference at each sample; train both with the same data and split_seed"
            )


def shared_metric(candidates: Sequence[Candidate], split: str, name: str | None) -> str:
    """The first metric that all have at each sample, in the same units, or the one called `name`."""
    kinds = [candidate.config.model for candidate in candidates]
    measured = [scores(candidate.runs[0], split) for candidate in candidates]
    names = [name for name in kinds[0].MEASURED if all(name in each for each in measured)]
    same = [name for name in names if len({_units(candidate.config, name) for candidate in candidates}) == 1]
    if name and name not in same:
        raise UserError(f"--metric {name}: expected one that all have at each sample: {', '.join(same) or 'none'}")
    different = next((i for i, kind in enumerate(kinds) if kind.MEASURED[0] != kinds[0].MEASURED[0]), None)
    if not same or (different and not name):
        other = different or 1
        raise UserError(
            f"{candidates[0].name} and {candidates[other].name}: cannot be compared: {_what(kinds[0])}, "
            f"and {_what(kinds[other])}; compare runs of the same kind of model, loss and preprocessing"
        )
    return name or same[0]


def _what(kind: ModelKind) -> str:
    return f"kind: {kind.kind} is measured by its {kind.MEASURED[0]}"


def _units(config: Experiment, metric: str) -> str:
    """What a metric depends on beside the samples: a loss on which one it is, an error on the units of the values."""
    weights = config.data.model_dump(include={"weights"})
    if metric == "accuracy":
        return flow(weights)
    loss: dict[str, object] = {}
    if metric.endswith("loss"):
        loss = config.training.model_dump(include={"loss", "loss_per"})
        loss |= config.data.model_dump(include={"target_scaling"})
    return flow({**loss, **weights, **config.data.model_dump(include={"preprocess"})})


def scores(run: Run, split: str) -> Mapping[str, np.ndarray]:
    """By metric the score of each sample, whose mean is the metric: what predictions_<split>.npz gives.

    Of weighted samples a score is the sample's part of the weighted mean, with whose variance the mean has its error.
    """
    arrays = run.predictions(split) or {}
    scores: dict[str, np.ndarray] = {}
    if "probabilities" in arrays:
        scores["accuracy"] = (arrays["probabilities"].argmax(axis=1) == arrays["labels"]).astype(np.float64)
    if "outputs" in arrays and arrays["outputs"].shape == arrays["labels"].shape:
        errors = (arrays["outputs"].astype(np.float64) - arrays["labels"]).reshape(len(arrays["labels"]), -1)
        scores |= {"mse": (errors**2).mean(axis=1), "mae": np.abs(errors).mean(axis=1)}
    for metric, name in (("mse", "squared_errors"), ("mae", "absolute_errors")):
        if name in arrays:
            scores[metric] = arrays[name].astype(np.float64)
    if "losses" in arrays:
        scores |= dict.fromkeys(("loss", "reconstruction_loss"), arrays["losses"].astype(np.float64))
    if "weights" in arrays:
        scores = {name: weighted_parts(values, arrays["weights"]) for name, values in scores.items()}
    recorded = run.metrics.get(split, {})
    return {
        name: values
        for name, values in scores.items()
        if isinstance(recorded.get(name), int | float)
        and math.isclose(values.mean(), recorded[name], rel_tol=AS_RECORDED, abs_tol=1e-9)
    }
