"""Keras's objects as entries of the config language, with their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlphys.config.keras_chain import KerasObject, keras_object, short
from mlphys.errors import UserError
from mlphys.schema.document import Document
from mlphys.schema.initializers import INITIALIZERS, REGULARIZERS
from mlphys.schema.layers import ALIASES as LAYER_ALIASES
from mlphys.schema.layers import LAYERS, FixedConv2D, Layer
from mlphys.schema.losses import ALIASES as LOSS_ALIASES
from mlphys.schema.losses import LOSSES
from mlphys.schema.messages import complain, problems_of
from mlphys.schema.optimizers import OPTIMIZERS, SCHEDULES
from mlphys.schema.spec import Choice, Spec

LAYER = Choice("layer", {name: kind for name, kind in LAYERS.items() if kind is not FixedConv2D}, LAYER_ALIASES)
OPTIMIZER = Choice("optimizer", OPTIMIZERS)
LOSS = Choice("loss", LOSSES, LOSS_ALIASES)
INNER = Choice("name", {**INITIALIZERS, **REGULARIZERS, **SCHEDULES})

# Arguments that the config language does not have, and the values that mean the same without them; None always does.
WITHOUT_MEANING = ("name", "seed", "input_axes", "output_axes", "batch_shape", "batch_input_shape", "jit_compile")
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "trainable": (True,),
    "data_format": ("channels_last",),
    "groups": (1,),
    "axis": (-1, [-1]),
    "synchronized": (False,),
    "renorm": (False,),
    "renorm_momentum": (0.99,),
    "rms_scaling": (False,),
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "reduction": ("sum_over_batch_size", "auto"),
    "is_legacy_optimizer": (False,),
    "correct_pad": (False,),
}
OLDER = {"alpha": "negative_slope", "lr": "learning_rate"}  # names of Keras 2, where the newer one is an argument


def spec_of(keras_object: KerasObject, choice: Choice, file: str) -> Spec:
    """The entry of the table. Raises UserError for what is not in it, and for arguments that it does not have."""
    kind = choice.find(keras_object.kind)
    if kind is None:
        plural = f"{choice.noun.removesuffix('s')}{'ses' if choice.noun.endswith('s') else 's'}"
        raise UserError(
            f"{keras_object.place}: no {choice.noun} of the config language; `mlphys list {plural}` has them"
        )
    arguments: dict[str, Any] = {}
    for key, value in keras_object.arguments.items():
        key = OLDER[key] if key in OLDER and key not in kind.model_fields and OLDER[key] in kind.model_fields else key
        if key == "activation" and value == "linear" and not kind.model_fields[key].is_required():
            continue  # the default
        if key in kind.model_fields:
            if value is not None or not _needs_value(kind, key):
                arguments[key] = _fitting(kind, key, _value(value, f"{keras_object.place}: {key}", file))
        else:
            _require_neutral(keras_object.place, key, value)
    try:
        return choice.validate({choice.names[kind]: arguments})
    except ValidationError as error:
        document = Document({}, keras_object.place, {})
        raise complain(problems_of(error, {}), document) from None


def _needs_value(kind: type[Spec], key: str) -> bool:
    """Whether null is no value of a key, as a regularizer's l1 is never null."""
    return not kind.takes(key, None)


def _fitting(kind: type[Spec], key: str, value: Any) -> Any:
    """A list of one number as the number, where that is what is taken: kernel_size of Conv1D."""
    one = isinstance(value, list) and len(value) == 1 and not kind.takes(key, value)
    return value[0] if one else value


def _require_neutral(place: str, key: str, value: Any) -> None:
    if value is None or key in WITHOUT_MEANING or value in NEUTRAL.get(key, ()):
        return
    if key == "dtype":
        name = value.get("config", {}).get("name") if isinstance(value, dict) else value
        if name == "float32":
            return
        raise UserError(f"{place}: computes in {short(name)}; only float32 is read")
    if key == "trainable":
        raise UserError(f"{place}: is frozen, which a config cannot say of single layers; set its trainable to True")
    raise UserError(f"{place}: {key}: {short(value)}: an argument that the config language does not have")


def _value(value: Any, place: str, file: str) -> Any:
    """A number, text or list; an object of Keras as the config language writes it."""
    if isinstance(value, float):
        with np.errstate(over="ignore"):  # what is beyond float32 is refused at its key
            shortest = float(str(np.float32(value)))
            return shortest if float(np.float32(shortest)) == value else value
    if isinstance(value, list):
        return [_value(item, place, file) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in ("function", "__lambda__", "__function__"):
        raise UserError(f"{place}: is a function of the author's ({short(value.get('config'))}); it is not read")
    nested = keras_object(value, file, place)
    if nested.kind == "__numpy__" or INNER.find(nested.kind) is None:
        raise UserError(f"{place}: {short(nested.kind)}: nothing that the config language has")
    spec = spec_of(KerasObject(nested.kind, nested.arguments, f"{place}: {nested.kind}"), INNER, file)
    return INNER.dump(spec)


def written(spec: Spec, choice: Choice) -> Any:
    """The entry as a config writes it, without the arguments that have their defaults."""
    arguments = _not_default(spec)
    name = choice.names[type(spec)]
    return {name: arguments} if arguments else name


def _not_default(spec: Spec) -> dict[str, Any]:
    dumped, fields, first = spec.model_dump(), type(spec).model_fields, type(spec).positional
    return {
        key: dumped[key]
        for key in (*first, *(key for key in type(spec).key_names() if key not in first))
        if fields[key].is_required() or getattr(spec, key) != fields[key].default
    }


def layer_of(keras_object: KerasObject, file: str) -> Layer:
    arguments = dict(keras_object.arguments)
    if "pool_size" in arguments and arguments.get("strides") == arguments["pool_size"]:
        del arguments["strides"]  # the default, which Keras writes out
    spec = spec_of(replace(keras_object, arguments=arguments), LAYER, file)
    assert isinstance(spec, Layer)
    return spec


def named_object(value: Any, file: str, what: str) -> KerasObject:
    """A loss or an optimizer, which Keras also writes as its short name."""
    if isinstance(value, str):
        return KerasObject(value, {}, f"{file}: {what} {short(value)}")
    return keras_object(value, file, what)


def numbers(arguments: Mapping[str, Any], key: str, place: str) -> np.ndarray | None:
    """A number or nested lists of numbers among arguments, None where it is null. Raises UserError for others."""
    value = arguments.get(key)
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        value = (value.get("config") or {}).get("value")
    if value is None:
        return None
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError):
        raise UserError(f"{place}: {key}: expected numbers; received {short(value)}") from None
    if not np.isfinite(array).all():
        raise UserError(f"{place}: {key}: holds values that are not finite")
    return array
