"""What an experiment must be for pictures of codes and of what is made of them."""

from __future__ import annotations

from mlphys.errors import NotApplicable
from mlphys.figures.run_view import ResolvedView
from mlphys.schema.layers import text


def need_images(loaded: ResolvedView) -> None:
    """Raise NotApplicable where what a net gives back is no image."""
    shape, steps = loaded.description.shape, loaded.experiment.data.preprocess
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotApplicable(f"a sample of {text(shape)} is no image of 1 or 3 channels")
    if not all(step.invertible for step in steps):
        raise NotApplicable("data.preprocess cannot be undone: what the net gives back are no images")


def need_decoder(loaded: ResolvedView) -> None:
    """Raise NotApplicable where no images can be made of codes."""
    if reason := loaded.experiment.model.why_no_decoder():
        raise NotApplicable(reason)
    need_images(loaded)
