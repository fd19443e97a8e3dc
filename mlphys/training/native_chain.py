"""Which phases have machine code: the plan of one as a chain of dense layers, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from mlphys.native import dense_loss, optimizer_step, processor, vector_math
from mlphys.native.chain import Chain, DenseLayer, NormLimit
from mlphys.native.dense_loss import Distance, Loss
from mlphys.native.optimizer_step import UpdateRule
from mlphys.native.penalty import MeanActivity, Penalty
from mlphys.networks.cost import ClassWeightedTerm, DataTerm, LayerPenalties, Term, TwoClassTerm
from mlphys.networks.penalties.contraction import ContractionTerm
from mlphys.networks.penalties.sparsity import L1, KLSparsity
from mlphys.networks.penalties.variational import NormalDivergence
from mlphys.networks.phases import Plan
from mlphys.schema import losses, optimizers
from mlphys.schema.layers import (
    Dense,
)
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import weight_shapes
from mlphys.training.native_layers import dense_layers, has_derivative
from mlphys.training.unsupported import NotGenerated, Unsupported

# Above these TensorFlow is faster: its matrix products are blocked for the cache
LARGEST_BATCH = 1024  # samples
LARGEST_NET = 1_000_000  # weights
LEAST_TIED_BATCH = 50  # samples; below, transposing the gradients of tied kernels takes longer than the rest gains

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


def dense_chain(plan: Plan, batch: int) -> Chain:
    """The chain of layers, loss and update rule that a phase trains. Raises Unsupported."""
    if processor.simd_unit() is None:
        raise Unsupported("nothing can be compiled for this processor")
    if tracked := {"gradient_norms", "saturation"} & set(plan.settings.track):
        raise NotGenerated(f"track: {', '.join(sorted(tracked))}")
    if plan.rows is None:
        raise Unsupported("its model is more than a chain of layers")
    data, code = data_term(plan.terms), _code_penalties(plan)
    noises, layers = dense_layers(plan.rows, plan.code, code)
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
    penalties: dict[str, Any] = {}
    for term in plan.terms[1:]:
        if type(term) is L1:
            penalties["output_penalty"] = Penalty(l1=term.weight)
        elif type(term) is KLSparsity:
            penalties["mean_activity"] = MeanActivity(term.kl.target, term.kl.weight)
        elif type(term) is ContractionTerm and _one_dense(plan):
            penalties["contraction"] = term.weight
        elif type(term) is NormalDivergence:
            penalties["divergence"] = term.weight
        elif type(term) is not LayerPenalties:  # those follow from the layers
            raise NotGenerated(f"the term {term}")
    return penalties


def _one_dense(plan: Plan) -> bool:
    """Whether a code is one Dense layer whose derivatives are functions of its outputs: its Jacobian is a formula."""
    encoder = (plan.rows or ())[: plan.code]
    one = len(encoder) == 1 and type(encoder[0].layer) is Dense
    return one and (encoder[0].layer.activation_name() or "linear") in vector_math.SUPPORTED


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
        if has_derivative(last.activation):
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
