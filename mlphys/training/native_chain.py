"""What of a phase has machine code: its plan as a chain of dense layers, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from mlphys.native import dense_loss, noise, optimizer_step, processor, vector_math
from mlphys.native.chain import Chain, DenseLayer, NormLimit
from mlphys.native.dense_loss import Distance, Loss
from mlphys.native.noise import Noise
from mlphys.native.optimizer_step import UpdateRule
from mlphys.native.penalty import MeanActivity, Penalty
from mlphys.native.vector_math import Activation as ActivationFunction
from mlphys.native.vector_math import ExponentialLinear, PiecewiseLinear
from mlphys.networks.cost import ClassWeightedTerm, DataTerm, LayerPenalties, Term, TwoClassTerm
from mlphys.networks.penalties.contraction import ContractionTerm
from mlphys.networks.penalties.sparsity import L1, KLSparsity, KSparse
from mlphys.networks.penalties.variational import CodeMean, NormalDivergence
from mlphys.networks.phases import Plan
from mlphys.schema import initializers, losses, optimizers
from mlphys.schema.initializers import Regularizer
from mlphys.schema.layers import (
    ELU,
    Activation,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Softmax,
)
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import Row, weight_shapes

# Above these TensorFlow is faster: its matrix products are blocked for the cache
LARGEST_BATCH = 1024  # samples
LARGEST_NET = 1_000_000  # weights
LEAST_TIED_BATCH = 50  # samples; below, transposing the gradients of tied kernels takes longer than the rest gains

NOISES: Mapping[type[Layer], Callable[[Any], Noise]] = {
    Dropout: lambda layer: noise.Dropout(layer.rate),
    GaussianDropout: lambda layer: noise.GaussianDropout(layer.rate),
    GaussianNoise: lambda layer: noise.GaussianNoise(layer.stddev),
}

# The fields of a rule are arguments of the optimizer
RULES: Mapping[type[Optimizer], type[Any]] = {
    optimizers.Adadelta: optimizer_step.Adadelta,
    optimizers.Adagrad: optimizer_step.Adagrad,
    optimizers.Adam: optimizer_step.Adam,
    optimizers.AdamW: optimizer_step.Adam,
    optimizers.Adamax: optimizer_step.Adamax,
    optimizers.Lion: optimizer_step.Lion,
    optimizers.Nadam: optimizer_step.Nadam,
    optimizers.RMSprop: optimizer_step.RMSprop,
    optimizers.SGD: optimizer_step.SGD,
}


# These classes alone: another one that is derived from them may compute something else
LOSSES = (losses.CategoricalCrossentropy, losses.BinaryCrossentropy)
DISTANCES: Mapping[type[losses.Loss], Callable[[Any], Distance]] = {
    losses.MeanSquaredError: lambda loss: dense_loss.Square(),
    losses.MeanAbsoluteError: lambda loss: dense_loss.Absolute(),
    losses.Huber: lambda loss: dense_loss.Huber(loss.delta),
    losses.LogCosh: lambda loss: dense_loss.LogCosh(),
}
REGULARIZERS = (initializers.L1, initializers.L2, initializers.L1L2)


class Unsupported(Exception):
    """There is no machine code for a phase; the text gives the reason."""


class NotGenerated(Unsupported):
    """A layer, term or setting is not part of the generated steps. Single operations of it may still have machine
    code, as convolutions have."""

    def __init__(self, what: str):
        super().__init__(f"{what} has no machine code for whole steps")


def dense_chain(plan: Plan, batch: int) -> Chain:
    """The chain of layers, loss and update rule that a phase trains. Raises Unsupported."""
    if processor.simd_unit() is None:
        raise Unsupported("nothing can be compiled for this processor")
    if tracked := {"gradient_norms", "saturation"} & set(plan.settings.track):
        raise NotGenerated(f"track: {', '.join(sorted(tracked))}")
    if plan.rows is None:
        raise Unsupported("its model is more than a chain of layers")
    data, code = data_term(plan.terms), _code_penalties(plan)
    noises, layers = _layers(plan.rows, {plan.code: code} if code and plan.code else {})
    loss, layers[-1] = _loss(data, layers[-1])
    optimizer, weighted = plan.settings.optimizer, plan.weighted or isinstance(data, ClassWeightedTerm)
    limit, of_samples = _norm_limit(optimizer), data.target == "x"
    chain = Chain(tuple(layers), loss, _rule(optimizer), batch, of_samples, noises, weighted, limit)
    if set(plan.trained) != set(weight_shapes(plan.rows)):
        raise Unsupported("some of its weights are not trained")
    if batch > LARGEST_BATCH:
        raise Unsupported(f"batches of more than {LARGEST_BATCH} samples")
    if batch < LEAST_TIED_BATCH and any(layer.tied_to is not None for layer in layers):
        raise Unsupported(f"tied weights with batches of fewer than {LEAST_TIED_BATCH} samples")
    if sum(layer.inputs * layer.outputs for layer in layers) > LARGEST_NET:
        raise Unsupported(f"more than {LARGEST_NET} weights")
    return chain


def data_term(terms: Sequence[Term]) -> DataTerm:
    """The first term of a cost. Raises Unsupported."""
    data = terms[0]
    if isinstance(data, DataTerm) and type(data) in (DataTerm, ClassWeightedTerm, TwoClassTerm):
        return data
    raise NotGenerated(f"the loss {data}")


def _code_penalties(plan: Plan) -> dict[str, Any]:
    """The penalties of a code, as fields of the layer that gives it. Raises Unsupported."""
    found: dict[str, Any] = {}
    for term in plan.terms[1:]:
        if type(term) is L1:
            found["output_penalty"] = Penalty(l1=term.weight)
        elif type(term) is KLSparsity:
            found["mean_activity"] = MeanActivity(term.kl.target, term.kl.weight)
        elif type(term) is ContractionTerm and _one_dense(plan):
            found["contraction"] = term.weight
        elif type(term) is NormalDivergence:
            found["divergence"] = term.weight
        elif type(term) is not LayerPenalties:  # those follow from the layers
            raise NotGenerated(f"the term {term}")
    return found


def _one_dense(plan: Plan) -> bool:
    """Whether a code is one Dense layer whose derivatives are functions of its outputs: its Jacobian is a formula."""
    encoder = (plan.rows or ())[: plan.code]
    one = len(encoder) == 1 and type(encoder[0].layer) is Dense
    return one and (encoder[0].layer.activation_name() or "linear") in vector_math.SUPPORTED


def _layers(
    rows: Sequence[Row], penalized: Mapping[int, Mapping[str, Any]]
) -> tuple[tuple[Noise, ...], list[DenseLayer]]:
    """The noises of the samples, and the dense layers of a chain with what follows each. Raises Unsupported.

    What the first n rows give has the penalties `penalized[n]`.
    """
    random, dense = random_layers(rows), [row.name for row in rows if isinstance(row.layer, Dense)]
    noises: tuple[Noise, ...] = ()
    layers: list[DenseLayer] = []
    for number, row in enumerate((*rows, None)):
        if number in penalized:
            if not layers or layers[-1].noises:
                raise NotGenerated("a penalty on what is no output of a Dense layer")
            given = {key: _added(getattr(layers[-1], key), value) for key, value in penalized[number].items()}
            layers[-1] = replace(layers[-1], **given)
        if row is None or type(row.layer) in (Flatten, Reshape, CodeMean):
            continue
        if row in random:
            drawn = NOISES[type(row.layer)](row.layer)
            if not layers:
                noises = (*noises, drawn)
            elif layers[-1].penalizes_outputs or layers[-1].is_code:
                raise NotGenerated(f"layer {type(row.layer).__name__} behind a code, or a penalty on its inputs")
            else:
                layers[-1] = replace(layers[-1], noises=(*layers[-1].noises, drawn))
        elif type(row.layer) in NOISES:
            continue
        elif type(row.layer) is Dense and len(row.input_shape) == 1:
            source = dense.index(row.tied_to) if row.tied_to else None
            layers.append(replace(_dense(row.layer, row.input_shape[0]), tied_to=source))
        elif type(row.layer) is KSparse and layers:
            if layers[-1].penalizes_outputs:  # the code that is penalized here has lost its smaller values
                raise NotGenerated("sparsity: k behind a penalty on its inputs")
            layers[-1] = replace(layers[-1], largest=row.layer.k)
        elif (function := _activation(row.layer)) and layers and layers[-1].takes_activation:
            layers[-1] = replace(layers[-1], activation=function)
        else:
            raise NotGenerated(f"layer {type(row.layer).__name__}")
    if not layers:
        raise Unsupported("it has no Dense layer")
    for layer in layers[:-1]:
        if not _has_derivative(layer.activation):
            raise NotGenerated(f"activation {layer.activation}")
        if layer.divergence is not None and layer.penalizes_outputs:
            raise NotGenerated("a penalty on the means and variances of a code")
    if layers[-1].noises:
        raise NotGenerated(f"layer {type(random[-1].layer).__name__} behind the last Dense")
    if layers[-1].penalizes_outputs or layers[-1].is_code:
        raise NotGenerated("a penalty on the outputs of the last Dense")
    return noises, layers


def _has_derivative(activation: ActivationFunction) -> bool:
    return activation in vector_math.SUPPORTED or vector_math.needs_input(activation)


def _added(before: Any, given: Any) -> Any:
    return before + given if before else given


def _dense(layer: Dense, inputs: int) -> DenseLayer:
    """A layer with its own penalties. Raises Unsupported."""
    return DenseLayer(
        inputs,
        layer.units,
        layer.activation or "linear",
        layer.use_bias,
        kernel_penalty=_penalty(layer.kernel_regularizer, "kernel"),
        bias_penalty=_penalty(layer.bias_regularizer if layer.use_bias else None, "bias"),
        output_penalty=_penalty(layer.activity_regularizer, "activity"),
    )


def _penalty(regularizer: Regularizer | None, symbol: str) -> Penalty:
    if regularizer is None:
        return Penalty()
    match regularizer if type(regularizer) in REGULARIZERS else None:
        case initializers.L1(l1=l1):
            return Penalty(l1=l1)
        case initializers.L2(l2=l2):
            return Penalty(l2=l2)
        case initializers.L1L2(l1=l1, l2=l2):
            return Penalty(l1, l2)
    raise NotGenerated(f"the term {regularizer.formula(symbol)}")


def random_layers(rows: Sequence[Row]) -> list[Row]:
    """The rows of a chain that draw random numbers in training, as Keras's layers do: not where they are frozen, and
    none for a rate of zero."""
    return [row for row in rows if type(row.layer) in NOISES and row.trainable and any(row.layer.arguments().values())]


def generators(rows: Sequence[Row]) -> list[str]:
    """The names of the generators of random numbers in a chain, in its order."""
    random = random_layers(rows)
    names = {id(row): f"{row.name}.0" for row in random} | {
        id(row): "code" for row in rows if type(row.layer) is CodeMean
    }
    return [names[id(row)] for row in rows if id(row) in names]


def _activation(layer: Layer) -> ActivationFunction | None:
    """The activation that a layer is by itself; None if it is none."""
    if type(layer) is Activation:
        return layer.activation
    if type(layer) is LeakyReLU:
        return PiecewiseLinear(layer.negative_slope)
    if type(layer) is ELU:
        return ExponentialLinear(layer.alpha)
    if layer == ReLU():
        return "relu"
    if type(layer) is ReLU:
        return PiecewiseLinear(layer.negative_slope, layer.threshold, layer.max_value)
    return "softmax" if type(layer) is Softmax else None


def _loss(data: DataTerm, last: DenseLayer) -> tuple[Loss, DenseLayer]:
    """The loss, and the last layer without an activation that the loss computes. Raises Unsupported."""
    classes, outputs, weight = data.target == "classes", last.outputs, data.weight
    softmax, sigmoid = (classes and last.activation == name for name in ("softmax", "sigmoid"))
    before = replace(last, activation="linear")
    match data.loss if type(data.loss) in LOSSES else None:
        case losses.CategoricalCrossentropy(label_smoothing=share) if softmax:
            return dense_loss.SoftmaxCrossentropy(outputs, share), before
        case losses.BinaryCrossentropy(label_smoothing=share) if sigmoid and outputs > 1:  # as Keras, from their inputs
            return dense_loss.LogitCrossentropy(outputs, weight, share), before
        case losses.BinaryCrossentropy(label_smoothing=share) if last.activation == "sigmoid":
            return dense_loss.BinaryCrossentropy(outputs, weight, share, two_classes=classes), last
    if (distance := DISTANCES.get(type(data.loss))) and not (classes and outputs == 1):
        if softmax:
            return dense_loss.SoftmaxDistance(outputs, weight, distance(data.loss)), before
        if _has_derivative(last.activation):
            return dense_loss.ElementwiseLoss(outputs, last.activation, weight, distance(data.loss), classes), last
    raise NotGenerated(f"{type(data.loss).__name__} behind {last.activation} outputs")


def _norm_limit(optimizer: Optimizer) -> NormLimit | None:
    """The limit of the norms of gradients, at most one."""
    if optimizer.clipnorm is not None:
        return NormLimit(optimizer.clipnorm)
    return None if optimizer.global_clipnorm is None else NormLimit(optimizer.global_clipnorm, together=True)


def _rule(optimizer: Optimizer) -> UpdateRule:
    if type(optimizer) not in RULES:
        raise NotGenerated(f"optimizer {type(optimizer).__name__}")
    kind = RULES[type(optimizer)]
    rule = kind(**{field.name: getattr(optimizer, field.name) for field in fields(kind)})
    if optimizer.weight_decay is None and optimizer.clipvalue is None:
        return rule
    return optimizer_step.Modified(rule, optimizer.weight_decay, optimizer.clipvalue)
