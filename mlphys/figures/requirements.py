"""Requirements of plots of codes and reconstructions."""

from __future__ import annotations

from mlphys.data.feature_histograms import MOST_NAMED
from mlphys.errors import NotApplicable
from mlphys.figures.run_view import ResolvedView
from mlphys.schema.fields import Shape
from mlphys.schema.layers import text

MOST_CHANNELS = 6  # of a signal: as many curves as distinguishable colors
FEWEST_STEPS = 3  # of a curve
MOST_NUMBERS = 9  # of a target: a panel each


def is_signal(shape: Shape) -> bool:
    """Whether a sample is drawn as curves: (steps,) or (steps, channels)."""
    return len(shape) in (1, 2) and shape[0] >= FEWEST_STEPS and (len(shape) == 1 or shape[1] <= MOST_CHANNELS)


def need_images(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless reconstructions are images."""
    shape = loaded.description.shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotApplicable(f"a sample of {text(shape)} is no image of 1 or 3 channels")
    _need_invertible(loaded, "images")


def need_images_or_signals(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless reconstructions are images or a few curves."""
    shape, names = loaded.description.shape, loaded.experiment.data.feature_names()
    if 0 < len(names) <= MOST_NAMED:
        raise NotApplicable(f"its samples are {len(names)} columns of a table, each in its own unit, and no signal")
    if is_signal(shape):
        _need_invertible(loaded, "signals")
    elif len(shape) == 3:
        need_images(loaded)
    else:
        raise NotApplicable(
            f"a sample of {text(shape)} is neither an image of 1 or 3 channels nor a signal of {FEWEST_STEPS} steps "
            f"and more with at most {MOST_CHANNELS} channels"
        )


def need_decoder(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless there is a decoder."""
    if reason := loaded.experiment.model.why_no_decoder():
        raise NotApplicable(reason)


def _need_invertible(loaded: ResolvedView, what: str) -> None:
    if not all(step.invertible for step in loaded.experiment.data.preprocess):
        raise NotApplicable(f"data.preprocess cannot be undone: what the net gives back are no {what}")


def need_class_probabilities(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless the model gives a probability for each class."""
    if "probabilities" not in loaded.experiment.model.prediction_shapes(loaded.net_input):
        raise NotApplicable("only a model of kind: classifier distinguishes classes")


def need_target_numbers(loaded: ResolvedView) -> None:
    """Raise NotApplicable unless the model predicts a few numbers."""
    if not loaded.experiment.model.PREDICTS_TARGETS:
        raise NotApplicable("only a model of kind: regressor predicts numbers")
    shape = loaded.description.target_shape
    if len(shape) != 1 or shape[0] > MOST_NUMBERS:
        raise NotApplicable(f"a target is {text(shape)}; up to {MOST_NUMBERS} numbers have a panel each")
