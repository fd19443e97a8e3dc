"""A config for data of the user's, each choice with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlphys.config.commented import Because, Instead, plain
from mlphys.config.own_data import MOST_CHANNELS, OwnData, Targets
from mlphys.errors import UserError

FEW, TINY = 1000, 200  # samples
STEPS = 6000  # of training, at most
LONGEST, SHORTEST = 300, 10  # epochs
IMAGE_EPOCHS = 60
MOST_CODE = 32
DECOMPOSED = 1000  # samples
EXPLAINED = 0.9  # of the variance, by the code
RARE = 4.0  # the largest class over the smallest, from which on the smallest is rare
NEAR = 3.0  # factor from one within which sizes of values are left as they are
SMOOTH = 0.6  # correlation of neighbours in a signal
LONG_SIGNAL = 32  # steps

Parts = dict[str, Any]


def propose(data: OwnData, task: str) -> Parts:
    """The config for one of TASKS. Raises UserError where the data lack what it needs."""
    make, _, _ = TASKS[task]
    return {"name": _name(data.name), **make(data)}


def task_of(data: OwnData) -> str:
    """What data can be used for: classes are told apart, numbers predicted, others encoded."""
    return "classify" if data.classes else "regress" if data.has_numbers else "autoencode"


def _name(stem: str) -> str:
    """A name of an experiment from a file's."""
    cleaned = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_" for sign in stem).strip("_-")
    return cleaned[:60] or "mine"


def _classify(data: OwnData) -> Parts:
    if not data.classes:
        raise UserError(
            "--task classify: the data have no classes; --target names a column that holds them, or regress"
        )
    classes, share = len(data.classes), data.counts.max() / data.counts.sum()
    last = {"Dense": {"units": classes, "activation": "softmax"}}
    output = Because(last, f"one output for each of the classes {_some(data.classes)}: their probabilities")
    training = _training(data, "categorical_crossentropy", "the negative logarithm of the true class's probability")
    if data.counts.max() > RARE * data.counts.min():
        training["class_weight"] = Instead(
            "balanced",
            f"would make rare classes count as much; {share:.0%} of the samples are of one class, and fewer of "
            "those would be right",
        )
    pictures = ["learning_curves", "confusion_matrix"]
    pictures += ["roc"] if classes == 2 else []
    pictures += ["misclassified", "filters"] if _is_image(data) else []
    model = {"kind": "classifier", "layers": [*_hidden(data, "relu"), output]}
    block = _data(data, "classes in proportion" if len(data.y) else "")
    return {"data": block, "model": model, "training": training, "plots": pictures}


def _regress(data: OwnData) -> Parts:
    if not data.has_numbers:
        raise UserError("--task regress: the data have no numbers as targets; --target names a column that holds them")
    if data.y.ndim != 2:
        raise UserError(
            "--task regress: the targets are arrays of several axes; `mlphys list configs` has nets for those, "
            "such as circles_to_squares"
        )
    mean, spread = data.y.mean(axis=0, dtype=np.float64), data.y.std(axis=0, dtype=np.float64)
    block = _data(data, "")
    if (np.abs(mean) > NEAR).any() or (spread > NEAR).any() or (spread < 1 / NEAR).any():
        names = data.target_names or [f"y_{k}" for k in range(len(mean))]
        sizes = ", ".join(
            f"{name} {m:.3g} +- {s:.2g}" for name, m, s in list(zip(names, mean, spread, strict=True))[:3]
        )
        block["target_scaling"] = Because(
            "standardize", f"a net begins with outputs near 0 that vary by about 1, and targets are {sizes}"
        )
    number = data.y.shape[1]
    last = Because({"Dense": {"units": number}}, f"{number} number{'s' * (number > 1)}, of any size and sign")
    model = {"kind": "regressor", "layers": [*_hidden(data, "relu" if _is_image(data) else "tanh"), last]}
    training = _training(data, "mean_squared_error", "its minimum is the mean of the targets at each x")
    return {
        "data": block, "model": model, "training": training,
        "plots": ["learning_curves", "predicted_against_true", "residuals"],
    }  # fmt: skip


def _autoencode(data: OwnData) -> Parts:
    features = math.prod(data.description.shape)
    code, why = _code_size(data)
    width = min(128, max(2 * code, 2 ** round(math.log2(max(2, features)) / 2 + 1)))
    encoder = [
        Because({"Dense": {"units": width, "activation": "relu"}}, "curved: without it the best code is PCA's"),
        Because({"Dense": {"units": code}}, why),
    ]
    in_unit = _is_image(data) and float(data.x.min()) >= 0 and float(data.x.max()) <= 1
    model: Parts = {"kind": "autoencoder", "encoder": encoder}
    if in_unit:
        model["decoder"] = [
            Because({"Dense": {"units": width, "activation": "relu"}}, "as wide as the encoder"),
            Because({"Dense": {"units": features, "activation": "sigmoid"}}, "values from 0 to 1, as those of x"),
        ]
    else:
        model["decoder"] = Because("mirror", "the layers of the encoder, backwards")
    training = _training(data, "mean_squared_error", "the squared distance of x and its reconstruction")
    pictures = ["learning_curves", "reconstructions"] if _is_drawn(data) else ["learning_curves"]
    return {"data": _data(data, ""), "model": model, "training": training, "plots": [*pictures, "latent"]}


def _reduce(data: OwnData) -> Parts:
    code, why = _code_size(data)
    model = {"kind": "pca", "components": Because(code, why)}
    pictures = ["components", "reconstructions"] if _is_drawn(data) else []
    return {"data": _data(data, ""), "model": model, "plots": [*pictures, "latent"]}


def _cluster(data: OwnData) -> Parts:
    number = len(data.classes) or 8
    why = "as many as there are classes" if data.classes else "a guess; try others"
    model = {"kind": "kmeans", "clusters": Because(number, why)}
    return {"data": _data(data, ""), "model": model, "plots": ["centroids"] if _is_drawn(data) else []}


def _data(data: OwnData, strata: str) -> Parts:
    """The block `data` with splits and preprocessing."""
    block = dict(data.keys)
    if data.description.test_samples is None:
        if data.samples < TINY:
            block["test"] = Because(
                0.25, f"of {data.samples} samples: enough for an error bar; {strata or 'at random'}"
            )
            block["validation"] = Because(0.2, "decides when training ends")
            block["folds"] = Instead(5, "trains five nets, each validated on another fifth: a steadier number")
        else:
            block["validation"] = Because(0.15, "decides when training ends; the test split, a fifth, is not looked at")
    elif data.description.validation_samples is None:
        block["validation"] = Because(0.15, "decides when training ends; the file has a test set of its own")
    if _is_image(data):
        return block
    size, spread = float(np.sqrt(np.square(data.x, dtype=np.float64).mean())), data.x.std(axis=0)
    if not _is_alike(data):
        block["preprocess"] = Because(["standardize"], "features of several units, each brought to mean 0 and spread 1")
    elif not 1 / NEAR < size < NEAR or abs(float(data.x.mean())) > float(spread.mean()):
        scale = float(f"{math.sqrt(float(np.square(spread, dtype=np.float64).mean())) or 1.0:.3g}")
        block["preprocess"] = Because(
            ["subtract_mean", {"scale": scale}], "one unit for all features: brought to mean 0, and a spread of about 1"
        )
    return block


def _hidden(data: OwnData, activation: str) -> list[Because]:
    if _is_image(data):
        return _convolutions(data.description.shape)
    if _is_signal(data):
        return _signal_layers(data)
    units = int(2 ** min(7, max(4, round(math.log2(max(2, data.samples)) / 2))))
    layer = {"Dense": {"units": units, "activation": activation}}
    first = Because(layer, f"{units} units for {data.samples} samples: more would learn them by heart")
    return [first] if data.samples < FEW else [first, Because(layer, "a second layer combines what the first finds")]


def _convolutions(shape: tuple[int, ...]) -> list[Because]:
    """Two or three convolutions, each halving the image."""
    layers: list[Because] = []
    side, filters = min(shape[:2]), 16
    while side >= 6 and len(layers) < 6:
        kernel = {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu"}
        layers.append(
            Because({"Conv2D": kernel}, "the same small pattern is searched everywhere" if not layers else "")
        )
        layers.append(Because({"MaxPooling2D": {"pool_size": 2}}, "halves the image" if len(layers) == 1 else ""))
        side, filters = side // 2, min(64, 2 * filters)
    return [*layers, Because("Flatten", ""), Because({"Dropout": {"rate": 0.3}}, "against learning samples by heart")]


def _signal_layers(data: OwnData) -> list[Because]:
    settings = {"filters": 16, "kernel_size": 7, "activation": "relu"}
    return [
        Because({"Conv1D": settings}, f"a signal of {data.description.shape[0]} steps: neighbours belong together"),
        Because({"MaxPooling1D": {"pool_size": 2}}, ""),
        Because({"Conv1D": {**settings, "filters": 32}}, ""),
        Because("Flatten", ""),
        Because({"Dense": {"units": 32, "activation": "relu"}}, ""),
    ]


def _training(data: OwnData, loss: str, why: str) -> Parts:
    batch = next(size for most, size in ((500, 16), (5000, 32), (50_000, 64), (math.inf, 128)) if data.samples < most)
    epochs = max(SHORTEST, min(LONGEST, STEPS * batch // max(1, data.samples)))
    epochs = min(epochs, IMAGE_EPOCHS) if _is_image(data) else epochs
    patience = max(5, min(30, epochs // 5))
    return {
        "optimizer": Because(
            {"Adam": {"learning_rate": 3e-3}}, "its steps fit most nets; a smaller rate if the loss jumps"
        ),
        "loss": Because(loss, why),
        "batch_size": Because(batch, f"samples a step, for {data.samples}"),
        "epochs": Because(epochs, "at most"),
        "early_stopping": Because(
            {"monitor": "validation_loss", "patience": patience}, "ends where validation stops improving, best weights"
        ),
    }


def _code_size(data: OwnData) -> tuple[int, str]:
    """As many numbers as principal components that hold most of the variance."""
    x = data.x[:DECOMPOSED].reshape(len(data.x[:DECOMPOSED]), -1).astype(np.float64)
    if not _is_image(data) and not _is_alike(data):
        x = x / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    x = x - x.mean(axis=0)
    values = np.linalg.eigvalsh(x @ x.T if len(x) < x.shape[1] else x.T @ x)[::-1].clip(0)
    held = np.cumsum(values) / max(float(values.sum()), 1e-300)
    most = min(MOST_CODE, max(1, x.shape[1] - 1))
    code = min(most, int(np.searchsorted(held, EXPLAINED)) + 1)
    return code, f"{code} principal components hold {held[code - 1]:.0%} of the variance of x"


def _is_image(data: OwnData) -> bool:
    return len(data.description.shape) == 3 and not _has_few_channels(data)


def _has_few_channels(data: OwnData) -> bool:
    """Whether a sample is a signal of several channels, which without layers for signals would be an image."""
    shape = data.description.shape
    return len(shape) > 1 and shape[0] >= LONG_SIGNAL and shape[1] <= MOST_CHANNELS and shape[2:] in ((), (1,))


def _is_alike(data: OwnData) -> bool:
    """Whether all features have one unit: arrays, but no columns of a table."""
    return plain(data.keys["name"]) != "table"


def _is_signal(data: OwnData) -> bool:
    """Whether neighbouring values of a sample are alike, and there are many."""
    shape = data.description.shape
    if len(shape) > 1:
        return _has_few_channels(data)
    if len(shape) != 1 or shape[0] < LONG_SIGNAL or not _is_alike(data):
        return False
    x = data.x - data.x.mean(axis=0)
    size = float((x * x).sum())
    return size > 0 and float((x[:, 1:] * x[:, :-1]).sum()) / size > SMOOTH


def _is_drawn(data: OwnData) -> bool:
    """Whether a sample can be drawn as an image or a curve."""
    return _is_image(data) or _is_signal(data)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


# What each makes, what its targets are, and whether it needs any
TASKS: Mapping[str, tuple[Callable[[OwnData], Parts], Targets, bool]] = {
    "classify": (_classify, "classes", True),
    "regress": (_regress, "numbers", True),
    "autoencode": (_autoencode, None, False),
    "reduce": (_reduce, None, False),
    "cluster": (_cluster, None, False),
}
