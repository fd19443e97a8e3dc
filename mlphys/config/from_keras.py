"""A config from a Keras model: Sequential, or a chain of layers of the functional interface."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlphys.config import keras_vocabulary as vocabulary
from mlphys.config.experiment import NAME_PATTERN, Experiment
from mlphys.config.keras_chain import KerasLayer, KerasObject, chain
from mlphys.config.keras_steps import LeadingSteps, leading_steps, undone
from mlphys.errors import Refusal, UserError
from mlphys.schema.data import Description
from mlphys.schema.document import Document, dotted, dump
from mlphys.schema.fields import Shape
from mlphys.schema.layers import ELU, Activation, Dense, Layer, LeakyReLU, ReLU, Softmax, text
from mlphys.schema.losses import BinaryCrossentropy, Loss
from mlphys.schema.messages import complain, problems_of
from mlphys.terminal import printable

INPUT, NOTHING = "InputLayer", ("InputLayer", "Identity")
DATA = "data.npz"
SAMPLES = 100_000_000  # of data that is not known yet


@dataclass(frozen=True)
class Translated:
    """A config, as plain data and as text with its comments, and where its weights are in the model's HDF5 file.

    `places` and `shapes` are those of each weight, by the names of the config; `steps` the preprocessing.
    """

    config: dict[str, Any]
    comments: tuple[str, ...]
    samples: str
    places: Mapping[str, str]
    shapes: Mapping[str, Shape]
    steps: LeadingSteps

    def text(self) -> str:
        """YAML, with what was decided on top and what is to be filled in above the data."""
        body = dump(self.config).replace("\ndata:\n", f"\n# {self.samples}\ndata:\n", 1)
        return "".join(f"# {line}\n" for line in self.comments) + body

    def with_initial(self, file: str, sha256: str) -> Translated:
        """The config that begins with the weights of a file."""
        training = {**self.config["training"], "initial": {"file": file, "sha256": sha256}}
        return replace(self, config={**self.config, "training": training})


@dataclass(frozen=True)
class _Read:
    """A layer of the model as one of the config language, with the shape of its input."""

    source: KerasLayer
    layer: Layer
    shape: Shape


@dataclass(frozen=True)
class _Model:
    """The block `model`; after how many layers its encoder ends, None without one; whether it tells classes apart."""

    block: dict[str, Any]
    split: int | None = None
    classes: bool = False


@dataclass
class _Decisions:
    """What a reader of the config should know."""

    lines: list[str] = field(default_factory=list)


def translate(value: Any, file: str, stem: str, version: str = "") -> Translated:
    """The config of a model whose JSON is `value`; `file` is its file in messages, `stem` its name without ending.

    Raises UserError, with the layer and its argument, for what a config cannot say.
    """
    layers = chain(value, file)
    shape = _input_shape(value, layers, file)
    layers = [layer for layer in layers if layer.kind not in NOTHING]
    steps = leading_steps(layers, shape)
    rest = layers[steps.count :]
    ends = len(rest)
    while ends and rest[ends - 1].kind == "Rescaling":
        ends -= 1
    read = _read(rest[:ends], steps.shape, file)
    decisions = _Decisions()
    loss, training = _training(value, file, decisions)
    if isinstance(loss, tuple):
        loss, read = loss[0], _with_activation(read, loss[1], file, decisions)
    model = _model(read, steps.shape, loss, decisions)
    data: dict[str, Any] = {"name": "array", "path": DATA}
    if steps.written:
        data["preprocess"] = list(steps.written)
    if rest[ends:]:
        data |= _scaling_back(rest[ends:], steps, model, decisions)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", stem)[:100]
    config = {"name": name if re.fullmatch(NAME_PATTERN, name) else "from_keras", "data": data, "model": model.block}
    config["training"] = training
    shapes = _checked_shapes(config, shape, steps.shape, read, file)
    places = _places(read, model.split)
    assert set(places) == set(shapes)
    weights = sum(math.prod(each) for each in shapes.values())
    by = f" (Keras {version})" if version else ""
    first = f"From {printable(file)}{by}: {weights:,} weights in {len(read)} layer{'s' if len(read) > 1 else ''}."
    return Translated(config, (first, *decisions.lines), _samples(model, shape, read), places, shapes, steps)


def _input_shape(value: Any, layers: Sequence[KerasLayer], file: str) -> Shape:
    """The shape of a sample, from the input layer, or from what the model was built for."""
    first = layers[0]
    known = [first.arguments.get(key) for key in ("batch_shape", "batch_input_shape")]
    config = value.get("config") if isinstance(value, dict) else None
    known += [config.get("build_input_shape")] if isinstance(config, dict) else []
    batch_shape = next((each for each in known if each is not None), None)
    if batch_shape is None:
        raise UserError(
            f"{file}: the shape of its input is not in it; add keras.Input(shape) as the first layer, and save it again"
        )
    sizes = batch_shape[1:] if isinstance(batch_shape, list) else []
    if not sizes or not all(type(n) is int and 1 <= n <= SAMPLES for n in sizes):
        raise UserError(f"{first.place}: takes samples of {batch_shape}; every length but the first must be a number")
    if first.kind == INPUT and first.arguments.get("dtype") not in (None, "float32"):
        raise UserError(f"{first.place}: takes {str(first.arguments['dtype'])[:40]}; only float32 is read")
    return tuple(sizes)


def _read(layers: Sequence[KerasLayer], shape: Shape, file: str) -> list[_Read]:
    read_layers = []
    for source in layers:
        arguments = dict(source.arguments)
        if arguments.get("axis") in (len(shape), [len(shape)]):
            arguments["axis"] = -1
        layer = vocabulary.layer_of(replace(source, arguments=arguments), file)
        read_layers.append(_Read(source, layer, shape))
        try:
            shape = layer.output_shape(shape)
        except Refusal as refusal:
            raise UserError(f"{source.place}: {refusal.text}") from None
    if not read_layers:
        raise UserError(f"{file}: has no layers that a net could have")
    return read_layers


def _training(value: Any, file: str, decisions: _Decisions) -> tuple[Any, dict[str, Any]]:
    """The loss, with the activation that it applies itself if it does, and the block `training`."""
    compiled = value.get("compile_config") if isinstance(value, dict) else None
    training: dict[str, Any] = {}
    loss: Any = None
    if isinstance(compiled, dict) and compiled:
        if compiled.get("optimizer") is not None:
            optimizer = vocabulary.named_object(compiled["optimizer"], file, "optimizer")
            spec = vocabulary.spec_of(optimizer, vocabulary.OPTIMIZER, file)
            training["optimizer"] = vocabulary.written(spec, vocabulary.OPTIMIZER)
        if compiled.get("loss") is not None:
            loss, logits = _loss(compiled["loss"], file)
            training["loss"] = vocabulary.written(loss, vocabulary.LOSS)
            if logits:
                loss = (loss, "sigmoid" if isinstance(loss, BinaryCrossentropy) else "softmax")
        for key in ("loss_weights", "weighted_metrics"):
            if compiled.get(key):
                raise UserError(f"{file}: compile: {key}: a config has no such thing; leave it out, and save again")
    else:
        decisions.lines.append("It was not compiled: optimizer and loss are the usual ones of this kind of model.")
    decisions.lines.append("batch_size and epochs are arguments of fit, which no file keeps: choose them.")
    return loss, {**training, "batch_size": 32, "epochs": 1}


def _loss(value: Any, file: str) -> tuple[Loss, bool]:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    loss = vocabulary.named_object(value, file, "loss")
    logits = bool(loss.arguments.get("from_logits"))
    arguments = {key: each for key, each in loss.arguments.items() if key != "from_logits"}
    spec = vocabulary.spec_of(KerasObject(loss.kind, arguments, loss.place), vocabulary.LOSS, file)
    assert isinstance(spec, Loss)
    return spec, logits


def _with_activation(read: list[_Read], activation: str, file: str, decisions: _Decisions) -> list[_Read]:
    """The layers with the activation that from_logits=True leaves to the loss, in the last one."""
    last = read[-1]
    if not isinstance(last.layer, Dense) or last.layer.activation not in (None, "linear"):
        raise UserError(
            f"{last.source.place}: the loss has from_logits=True, which is read only behind a linear Dense layer"
        )
    decisions.lines.append(f"from_logits=True is an activation here: the last layer has {activation}.")
    return [*read[:-1], replace(last, layer=last.layer.model_copy(update={"activation": activation}))]


def _model(read: Sequence[_Read], shape: Shape, loss: Loss | None, decisions: _Decisions) -> _Model:
    """The kind of model, which follows from the loss, the last activation and the shapes."""
    layers = [vocabulary.written(each.layer, vocabulary.LAYER) for each in read]
    last, out = read[-1].layer, read[-1].layer.output_shape(read[-1].shape)
    only_classes = loss is not None and loss.for_classes and not loss.for_values
    ends = "softmax" if isinstance(last, Softmax) else last.activation_name()
    if only_classes or (loss is None and ends == "softmax") or (out == (1,) and ends == "sigmoid"):
        why = "its loss is one of classes" if only_classes else f"it ends in {ends}"
        decisions.lines.append(f"kind: classifier, as {why}.")
        return _Model({"kind": "classifier", "layers": layers}, classes=True)
    if math.prod(out) == math.prod(shape) > 1 and len(read) > 1:
        split = _split(read)
        decisions.lines.append(
            "kind: autoencoder, as it gives as many values as it takes; the encoder ends where "
            + ("its first model does." if len({each.source.part for each in read}) == 2 else "the fewest values are.")
            + " With other targets: kind: regressor, with all layers."
        )
        return _Model({"kind": "autoencoder", "encoder": layers[:split], "decoder": layers[split:]}, split)
    decisions.lines.append("kind: regressor, as it gives numbers that are no probabilities.")
    return _Model({"kind": "regressor", "layers": layers})


def _split(read: Sequence[_Read]) -> int:
    """After how many layers the code is: two models in it are encoder and decoder, else where the values are fewest."""
    parts = [each.source.part for each in read]
    if len(set(parts)) == 2:
        return parts.count(parts[0])
    sizes = [math.prod(each.layer.output_shape(each.shape)) for each in read[:-1]]
    split = sizes.index(min(sizes)) + 1
    while split < len(read) - 1 and isinstance(read[split].layer, Activation | ReLU | LeakyReLU | ELU):
        split += 1
    return split


def _scaling_back(
    trailing: Sequence[KerasLayer], steps: LeadingSteps, model: _Model, decisions: _Decisions
) -> dict[str, Any]:
    """What Rescaling at the end means: of an autoencoder the inverse of its preprocessing, else scaled targets."""
    if model.split is not None and undone(trailing, steps):
        decisions.lines.append("The last Rescaling undoes the preprocessing, which mlphys does by itself.")
        return {}
    if model.split is not None or model.classes or len(trailing) > 1:
        raise UserError(f"{trailing[0].place}: follows the net; only a regressor's outputs can be scaled")
    decisions.lines.append("The last Rescaling is target_scaling, which is fitted to your training targets.")
    return {"target_scaling": "standardize"}


def _checked_shapes(
    config: Mapping[str, Any], shape: Shape, net_shape: Shape, read: Sequence[_Read], file: str
) -> dict[str, Shape]:
    """The shapes of the weights, by name. Raises UserError where the config is none, or its parts do not fit."""
    try:
        experiment = Experiment.model_validate(config)
    except ValidationError as error:
        raise complain(problems_of(error), Document(config, file, {})) from None
    out, needed = read[-1].layer.output_shape(read[-1].shape), experiment.model.data_requirements().targets
    if isinstance(read[0].layer, Dense) and len(net_shape) > 1 and "encoder" in config["model"]:
        raise UserError(
            f"{read[0].source.place}: acts on the last axis of {text(net_shape)}, and an encoder that begins with "
            "Dense takes all values in one row; put Flatten before it"
        )
    classes = tuple(map(str, range(2 if out == (1,) else out[-1]))) if needed == "classes" else ()
    description = Description(net_shape, classes, SAMPLES, None, out if needed == "numbers" else ())
    try:
        return experiment.model.weight_shapes(description)
    except Refusal as refusal:
        raise UserError(f"{file}: {dotted(refusal.path)}: {refusal.text}") from None


def _places(read: Sequence[_Read], split: int | None) -> dict[str, str]:
    """Where each weight of the config is in the HDF5 file."""
    places: dict[str, str] = {}
    for i, each in enumerate(read):
        part, number = ("layers", i) if split is None else ("encoder", i) if i < split else ("decoder", i - split)
        names = [*each.layer.weight_shapes(each.shape), *each.layer.statistic_shapes(each.shape)]
        row = f"{part}.{number}.{type(each.layer).__name__}"
        places |= {f"{row}.{name}": f"{each.source.weights}/{j}" for j, name in enumerate(names)}
    return places


def _samples(model: _Model, shape: Shape, read: Sequence[_Read]) -> str:
    """What the file of the data must hold."""
    out = read[-1].layer.output_shape(read[-1].shape)
    x = f"x of shape (n, {', '.join(map(str, shape))})"
    if model.split is not None:
        return f"Your samples: {x}; a dataset by its name is read too, as data: {{name: mnist}}."
    y = f"y of shape (n, {', '.join(map(str, out))})"
    if model.classes:
        y = f"y with one of {2 if out == (1,) else out[-1]} classes for each"
    return f"Your samples: {x}, {y}; a dataset by its name is read too, as data: {{name: mnist}}."


def arrays(translated: Translated, read: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by the names of the config, and the fitted arrays of preprocessing, from those of the HDF5 file."""
    own = {name: read[place] for name, place in translated.places.items()}
    return {**own, **translated.steps.fitted(read)}
