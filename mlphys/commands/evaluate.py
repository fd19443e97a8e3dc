"""The numbers of a run, each with its standard error and its baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mlphys.commands import page_samples
from mlphys.commands.labelled_set import LabelledSet
from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import UserError
from mlphys.networks.compiled import Mapped
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import Network
from mlphys.numerics import chunked, reliability
from mlphys.numerics.class_probabilities import probability_metrics
from mlphys.numerics.metrics import (
    denoising,
    drawn_losses,
    gap,
    mean_and_stderr,
    of_draws,
    of_samples,
    pixel_errors,
)
from mlphys.numerics.randomness import rng
from mlphys.runs import evaluations
from mlphys.runs.evaluations import Evaluation
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.page_samples import read as read_page_samples
from mlphys.runs.run import MOST_SHOWN, Run
from mlphys.schema.data import Description, Split, Splits
from mlphys.schema.training import Training

MOST_COMPARED = 10_000  # training samples


def measure(
    loaded: ResolvedExperiment, network: Network, fitted: Preprocessing, dataset: Splits, name: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metrics of a network on the split `name`, and the arrays of predictions_<name>.npz.

    With preprocessing, reconstruction errors are computed in the network's input space and, if the steps are
    invertible, also in the space of the data (`pixel_mse`).
    """
    from mlphys.training.corruption import Corrupter

    kind, description = loaded.experiment.model, loaded.net_input
    raw: Split = getattr(dataset, name)
    split = fitted.split(raw)
    at_once = network.evaluated_at_once
    arrays = fitted.in_target_units(sample_arrays(kind, loaded.experiment.training, description, network, split))
    metrics = kind.metrics(description, arrays, fitted.inputs(raw), fitted.inputs(dataset.train))
    metrics |= _calibrated(kind, network, fitted, dataset, name, arrays)
    for key in kind.further_costs(loaded.experiment.training, description, network):
        metrics |= mean_and_stderr(key, arrays.pop(key).astype(np.float64))
    if network.draws > 1:
        metrics |= of_draws(network.draws, arrays.pop("draw_variances"))
    if name != "train":
        leading = next(key for key in kind.MEASURED if key in metrics)
        metrics |= _gap(leading, kind, network, fitted, dataset.train, raw, arrays)
    if fitted.steps and fitted.invertible and "reconstructions" in kind.image_output_shapes(description):
        metrics |= _pixels(kind, network, fitted, raw, dataset.train, arrays["codes"])
    corrupted = None
    if (corruption := kind.input_corruption()) is not None:
        corrupted = Corrupter(corruption, loaded.experiment.seed, f"evaluation of {name}")(split)
        metrics |= _denoised(kind, network, corrupted, fitted.split(dataset.train), arrays["codes"])
    shown = kind.shown_samples(split, arrays, MOST_SHOWN).astype(np.int32)
    kept = {**arrays, "losses": arrays["losses"] + arrays["penalties"]}
    del kept["penalties"]
    seen = Split(chunked.read(split.x[shown]), split.y[shown])
    picture = Mapped(lambda x, y: kind.image_outputs(network, x), at_once)
    pictured = picture(seen) if len(shown) else {}
    if corrupted is not None and len(shown):
        noisy = Split(corrupted.x[shown], seen.y)
        pictured |= {"corrupted": chunked.read(noisy.x), "denoised": picture(noisy)["reconstructions"]}
    pictured = {key: fitted.inverse(value) for key, value in pictured.items()}
    images = fitted.for_display(chunked.read(raw.x[shown]))
    if raw.weights is not None:
        kept["weights"] = raw.weights
    return metrics, {"labels": raw.y, **kept, "shown": shown, "images": images, **pictured}


def _calibrated(
    kind: ModelKind, network: Network, fitted: Preprocessing, dataset: Splits, name: str, arrays: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The temperature of a classifier, fitted to the validation split; of other splits what it makes of them."""
    held = dataset.validation
    if "probabilities" not in arrays or not kind.CALIBRATES or not len(held) or _has_negative(held):
        return {}
    probabilities = arrays["probabilities"]
    if name != "validation":
        predict = Mapped(lambda x, y: kind.predictions(network, x), network.evaluated_at_once)
        probabilities = predict(fitted.split(held))["probabilities"]
    temperature = reliability.temperature(probabilities, held.y, held.weights)
    found: dict[str, Any] = {"temperature": temperature.value, "temperature_stderr": temperature.stderr}
    if name == "validation":
        return found
    split: Split = getattr(dataset, name)
    scaled = probability_metrics(split.y, temperature.applied(arrays["probabilities"]), split.weights)
    return found | {f"calibrated_{key}": value for key, value in scaled.items()}


def _has_negative(split: Split) -> bool:
    return split.weights is not None and bool(split.weights.min() < 0)


def sample_arrays(
    kind: ModelKind, training: Training, description: Description, network: Network, split: Split
) -> dict[str, np.ndarray]:
    """Of each sample: predictions, the loss without and the penalties, and its further costs with both.

    A loss that is drawn is the mean of several draws, with the variance of this mean.
    """
    from keras import ops

    cost = kind.cost(training, description, network)
    further = kind.further_costs(training, description, network)

    def values(x: Any, y: Any) -> dict[str, Any]:
        recorded, penalties = cost.of_samples(x, y)
        losses = [recorded["loss"], *(cost.of_samples(x, y)[0]["loss"] for _ in range(network.draws - 1))]
        found = {**kind.predictions(network, x), "losses": ops.stack(losses, axis=1), "penalties": penalties}
        for key, other in further.items():
            others, more = other.of_samples(x, y)
            found[key] = others["loss"] + more
        return found

    network.measure_alike()
    arrays = Mapped(values, network.evaluated_at_once)(split)
    losses = arrays.pop("losses")
    return arrays | (drawn_losses(losses) if network.draws > 1 else {"losses": losses[:, 0]})


def _gap(
    name: str,
    kind: ModelKind,
    network: Network,
    fitted: Preprocessing,
    train: Split,
    split: Split,
    arrays: dict[str, np.ndarray],
) -> dict[str, Any]:
    """How much better the leading metric is on training samples, at most MOST_COMPARED of them, drawn at random."""
    scores = [key for key in ("probabilities", "squared_errors", "outputs") if key in arrays][:1]
    if not scores:
        return {}
    rows = np.sort(rng(0, "gap").permutation(len(train))[:MOST_COMPARED])
    seen = train.at(rows)
    predict = Mapped(lambda x, y: {key: kind.predictions(network, x)[key] for key in scores}, network.evaluated_at_once)
    known = of_samples(fitted.in_target_units(predict(fitted.split(seen))), seen.y)
    return gap(name, of_samples(arrays, split.y), known, split.weights, seen.weights)


def _denoised(kind: ModelKind, network: Network, corrupted: Split, train: Split, codes: np.ndarray) -> dict[str, Any]:
    """Denoising error |r(x + noise) - x|^2, with two baselines: the corrupted input itself, and PCA."""
    clean = corrupted.y.reshape(len(corrupted), -1)

    def errors(values: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
        r = values["reconstructions"].reshape(-1, clean.shape[1])
        return {"squared": ((r - clean[rows]) ** 2).mean(axis=1)}

    given_back = Mapped(lambda x, y: kind.image_outputs(network, x), network.evaluated_at_once)
    squared = given_back(Split(corrupted.x, np.zeros((len(corrupted), 0), np.float32)), errors)["squared"]
    return denoising(squared, chunked.read(corrupted.x), corrupted.y, train.x, math.prod(codes.shape[1:]))


def _pixels(
    kind: ModelKind, network: Network, fitted: Preprocessing, raw: Split, train: Split, codes: np.ndarray
) -> dict[str, Any]:
    """The reconstruction error in the space of the data, and that of PCA."""

    def errors(values: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
        difference = fitted.inverse(values["reconstructions"]) - chunked.read(raw.x[rows])
        return {"squared": (difference.reshape(len(difference), -1) ** 2).mean(axis=1)}

    reconstruct = Mapped(lambda x, y: kind.image_outputs(network, x), network.evaluated_at_once)
    found = reconstruct(fitted.split(raw), errors)
    return pixel_errors(found["squared"], raw.x, train.x, math.prod(codes.shape[1:]))


def evaluate(run: Run, split: str, path: str | None = None) -> dict[str, Any]:
    """Measure a finished run on one split and keep metrics and predictions in the run; test is counted."""
    from mlphys.runs.writer import RunWriter

    loaded = run.loaded
    dataset = run.dataset(path)
    if not len(getattr(dataset, split)):
        raise UserError(f"{run.path}: its {split} split has no samples; evaluate another with --split")
    if split == "test":
        evaluations.read(run.folder)  # raises where it is damaged, before the network is built
    metrics, predictions = measure(loaded, run.trained.network, run.preprocessing, dataset, split)
    if not np.isfinite([value for value in metrics.values() if isinstance(value, float)]).all():
        raise UserError(f"{run.path}: its outputs on {split} are not finite; retrain with a smaller learning_rate")
    writer = RunWriter(run.path)
    if split == "test":
        _counted(run, metrics)
    writer.predictions(split, predictions)
    if split in ("test", run.shown_split()):
        known = _page_samples(run)
        writer.samples(page_samples.chosen(loaded, run.preprocessing, dataset, split, predictions, known))
    writer.metrics({**run.metrics, split: metrics})
    return metrics


def _counted(run: Run, metrics: dict[str, Any]) -> None:
    name = next(key for key in run.config.model.MEASURED if key in metrics)
    evaluations.add(run.folder, Evaluation(run.status["epochs"], name, float(metrics[name])))


def _page_samples(run: Run) -> PageSamples | None:
    try:
        return read_page_samples(run)
    except UserError:  # damaged: they are written anew
        return None


def evaluate_other(run: Run, other: LabelledSet) -> dict[str, Any]:
    """Measure a finished run on another labelled set and keep the metrics under that set's own name.

    The baselines are those of the run's training samples.
    """
    from mlphys.runs.writer import RunWriter

    try:
        own = run.dataset()
    except UserError as error:
        raise UserError(
            f"{other.path}: not the run's own data, and the baselines need the training samples: {error}"
        ) from None
    splits = replace(own, test=other.split)
    metrics, _ = measure(run.loaded, run.trained.network, run.preprocessing, splits, "test")
    if not np.isfinite([value for value in metrics.values() if isinstance(value, float)]).all():
        raise UserError(f"{other.path}: the outputs of {run.path} for it are not finite; bring it to the run's scale")
    RunWriter(run.path).analysis(other.name, {"path": str(other.path.absolute()), **metrics})
    return metrics
