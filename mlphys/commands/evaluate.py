"""The numbers of a run, each with its standard error and its baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
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
    of_draws,
    of_samples,
    pixel_errors,
)
from mlphys.numerics.randomness import rng
from mlphys.numerics.uncertainty import mean_and_stderr
from mlphys.runs import evaluations
from mlphys.runs.page_samples import PageSamples
from mlphys.runs.page_samples import read as read_page_samples
from mlphys.runs.run import MOST_SHOWN, Run
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits
from mlphys.schema.training import Training

MOST_COMPARED = 10_000  # training samples


def measure(
    loaded: ResolvedExperiment, network: Network, fitted: Preprocessing, dataset: Splits, name: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metrics of a network on the split `name`, and the arrays of predictions_<name>.npz."""
    return Evaluation(loaded, network, fitted, dataset).measure(name)


class Evaluation:
    """A network measured on the splits of its data; what is compiled for one of them serves the others."""

    def __init__(self, loaded: ResolvedExperiment, network: Network, fitted: Preprocessing, dataset: Splits):
        self.loaded, self.network, self.fitted, self.dataset = loaded, network, fitted, dataset
        self._kind = loaded.experiment.model
        self._predicting: dict[tuple[str, ...], Mapped] = {}
        self._known: dict[str, dict[str, np.ndarray]] = {}  # predictions of training samples

    def measure(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The metrics on the split `name`, and the arrays of predictions_<name>.npz.

        With preprocessing, reconstruction errors are computed in the network's input space and, if the steps are
        invertible, also in the space of the data (`pixel_mse`).
        """
        from mlphys.training.corruption import Corrupter

        kind, network, fitted, dataset = self._kind, self.network, self.fitted, self.dataset
        experiment, description = self.loaded.experiment, self.loaded.net_input
        raw: Split = getattr(dataset, name)
        split = fitted.split(raw)
        arrays = fitted.in_target_units(sample_arrays(network, self._values, split))
        metrics = kind.metrics(description, arrays, fitted.inputs(raw), fitted.inputs(dataset.train))
        metrics |= self._calibrated(name, arrays)
        for key in kind.further_costs(experiment.training, description, network):
            metrics |= mean_and_stderr(key, arrays.pop(key).astype(np.float64))
        if network.draws > 1:
            metrics |= of_draws(network.draws, arrays.pop("draw_variances"))
        if name != "train":
            leading = next(key for key in kind.MEASURED if key in metrics)
            metrics |= self._gap(leading, raw, arrays)
        if fitted.steps and fitted.invertible and "reconstructions" in kind.image_output_shapes(description):
            metrics |= self._pixels(raw, arrays["codes"])
        corrupted = None
        if (corruption := kind.input_corruption()) is not None:
            corrupted = Corrupter(corruption, experiment.seed, f"evaluation of {name}")(split)
            metrics |= self._denoised(corrupted, arrays["codes"])
        shown = kind.shown_samples(split, arrays, MOST_SHOWN).astype(np.int32)
        predictions = {**arrays, "losses": arrays["losses"] + arrays["penalties"]}
        del predictions["penalties"]
        shown_split = Split(chunked.read(split.x[shown]), split.y[shown])
        pictured = self._picture(shown_split) if len(shown) else {}
        if corrupted is not None and len(shown):
            noisy = Split(corrupted.x[shown], shown_split.y)
            pictured |= {"corrupted": chunked.read(noisy.x), "denoised": self._picture(noisy)["reconstructions"]}
        pictured = {key: fitted.inverse(value) for key, value in pictured.items()}
        images = fitted.for_display(chunked.read(raw.x[shown]))
        if raw.weights is not None:
            predictions["weights"] = raw.weights
        return metrics, {"labels": raw.y, **predictions, "shown": shown, "images": images, **pictured}

    @cached_property
    def _values(self) -> Mapped:
        return sample_values(self._kind, self.loaded.experiment.training, self.loaded.net_input, self.network)

    @cached_property
    def _picture(self) -> Mapped:
        return Mapped(lambda x, y: self._kind.image_outputs(self.network, x), self.network.evaluated_at_once)

    def _predict(self, *keys: str) -> Mapped:
        """These predictions of the network, compiled."""

        def predictions(x: Any, y: Any) -> dict[str, Any]:
            outputs = self._kind.predictions(self.network, x)
            return {key: outputs[key] for key in keys}

        if keys not in self._predicting:
            self._predicting[keys] = Mapped(predictions, self.network.evaluated_at_once)
        return self._predicting[keys]

    def _calibrated(self, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """The temperature of a classifier, fitted to the validation split; of other splits what it makes of them."""
        held = self.dataset.validation
        if "probabilities" not in arrays or not self._kind.CALIBRATES or not len(held) or _has_negative(held):
            return {}
        probabilities = arrays["probabilities"]
        if name != "validation":
            probabilities = self._predict("probabilities")(self.fitted.split(held))["probabilities"]
        temperature = reliability.temperature(probabilities, held.y, held.weights)
        metrics: dict[str, Any] = {"temperature": temperature.value, "temperature_stderr": temperature.stderr}
        if name == "validation":
            return metrics
        split: Split = getattr(self.dataset, name)
        scaled = probability_metrics(split.y, temperature.applied(arrays["probabilities"]), split.weights)
        return metrics | {f"calibrated_{key}": value for key, value in scaled.items()}

    def _gap(self, name: str, split: Split, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """How much better the leading metric is on training samples, at most MOST_COMPARED of them, drawn at random."""
        scores = [key for key in ("probabilities", "squared_errors", "outputs") if key in arrays][:1]
        if not scores:
            return {}
        train = self._seen_in_training
        if scores[0] not in self._known:
            self._known[scores[0]] = self._predict(*scores)(self.fitted.split(train))
        known = of_samples(self.fitted.in_target_units(self._known[scores[0]]), train.y)
        return gap(name, of_samples(arrays, split.y), known, split.weights, train.weights)

    @cached_property
    def _seen_in_training(self) -> Split:
        train = self.dataset.train
        return train.at(np.sort(rng(0, "gap").permutation(len(train))[:MOST_COMPARED]))

    def _denoised(self, corrupted: Split, codes: np.ndarray) -> dict[str, Any]:
        """Denoising error |r(x + noise) - x|^2, with two baselines: the corrupted input itself, and PCA."""
        clean, train = corrupted.y.reshape(len(corrupted), -1), self.fitted.split(self.dataset.train)

        def errors(values: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
            r = values["reconstructions"].reshape(-1, clean.shape[1])
            return {"squared": ((r - clean[rows]) ** 2).mean(axis=1)}

        squared = self._picture(Split(corrupted.x, np.zeros((len(corrupted), 0), np.float32)), errors)["squared"]
        return denoising(squared, chunked.read(corrupted.x), corrupted.y, train.x, math.prod(codes.shape[1:]))

    def _pixels(self, raw: Split, codes: np.ndarray) -> dict[str, Any]:
        """The reconstruction error in the space of the data, and that of PCA."""

        def errors(values: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
            difference = self.fitted.inverse(values["reconstructions"]) - chunked.read(raw.x[rows])
            return {"squared": (difference.reshape(len(difference), -1) ** 2).mean(axis=1)}

        arrays = self._picture(self.fitted.split(raw), errors)
        return pixel_errors(arrays["squared"], raw.x, self.dataset.train.x, math.prod(codes.shape[1:]))


def _has_negative(split: Split) -> bool:
    return split.weights is not None and bool(split.weights.min() < 0)


def sample_values(kind: ModelKind, training: Training, description: Description, network: Network) -> Mapped:
    """Of each sample, compiled: predictions, every draw of the loss without penalties, penalties, further costs."""
    from keras import ops

    cost = kind.cost(training, description, network)
    further = kind.further_costs(training, description, network)

    def values(x: Any, y: Any) -> dict[str, Any]:
        recorded, penalties = cost.of_samples(x, y)
        losses = [recorded["loss"], *(cost.of_samples(x, y)[0]["loss"] for _ in range(network.draws - 1))]
        arrays = {**kind.predictions(network, x), "losses": ops.stack(losses, axis=1), "penalties": penalties}
        for key, other in further.items():
            others, more = other.of_samples(x, y)
            arrays[key] = others["loss"] + more
        return arrays

    return Mapped(values, network.evaluated_at_once)


def sample_arrays(network: Network, values: Mapped, split: Split) -> dict[str, np.ndarray]:
    """The `sample_values` of a split. A loss that is drawn is the mean of several draws, with the variance of it."""
    network.measure_alike()
    arrays = values(split)
    losses = arrays.pop("losses")
    return arrays | (drawn_losses(losses) if network.draws > 1 else {"losses": losses[:, 0]})


def evaluate(run: Run, split: str, path: str | None = None) -> dict[str, Any]:
    """Measure a finished run on one split and keep metrics and predictions in the run; test is counted."""
    dataset = run.dataset(path)
    if not len(getattr(dataset, split)):
        raise UserError(f"{run.path}: its {split} split has no samples; evaluate another with --split")
    if split == "test":
        evaluations.read(run.folder)  # raises where it is damaged, before the network is built
    return kept(run, Evaluation(run.loaded, run.trained.network, run.preprocessing, dataset), split)


def kept(run: Run, evaluation: Evaluation, split: str) -> dict[str, Any]:
    """The metrics of a finished run on a split, written into it with the predictions.

    Raises UserError where outputs are not finite.
    """
    from mlphys.runs.writer import RunWriter

    metrics, predictions = evaluation.measure(split)
    if not np.isfinite([value for value in metrics.values() if isinstance(value, float)]).all():
        raise UserError(f"{run.path}: its outputs on {split} are not finite; retrain with a smaller learning_rate")
    writer = RunWriter(run.path)
    if split == "test":
        _counted(run, metrics)
    writer.predictions(split, predictions)
    if split in ("test", run.shown_split()):
        facts = evaluation.loaded, evaluation.fitted, evaluation.dataset
        writer.samples(page_samples.chosen(*facts, split, predictions, _page_samples(run)))
    writer.metrics({**run.metrics, split: metrics})
    return metrics


def _counted(run: Run, metrics: dict[str, Any]) -> None:
    name = next(key for key in run.config.model.MEASURED if key in metrics)
    evaluations.add(run.folder, evaluations.Evaluation(run.status["epochs"], name, float(metrics[name])))


def _page_samples(run: Run) -> PageSamples | None:
    try:
        return read_page_samples(run)
    except UserError:  # damaged: they are written again
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
