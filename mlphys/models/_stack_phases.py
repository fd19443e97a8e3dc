"""The phases in which stacked autoencoders are trained: which there are, and whether they fit the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlphys.errors import Refusal
from mlphys.schema.data import Description
from mlphys.schema.layers import Layer
from mlphys.schema.training import PhaseTraining, Training

Phases = Mapping[str, PhaseTraining | None]  # each with the settings of its own, if it has any


def named(training: Training, head: bool) -> Phases:
    """The phases of a config; where it names none, pretraining, and that of the head if there is one."""
    if training.phases:
        return dict(training.phases)
    return {"pretrain": None, "head": None} if head else {"pretrain": None}


def require_head(phases: Phases, head: Sequence[Layer], frozen: bool) -> None:
    """Raise Refusal unless the head is trained exactly where there is one."""
    if "head" in phases and not head:
        raise Refusal(("training", "phases", "head"), "there is no head to train; add model.head")
    if head and "head" not in phases:
        raise Refusal(("training", "phases"), "none of them trains the head; add head, or leave model.head out")
    if frozen and not head:
        raise Refusal(("model", "frozen"), "keeps the encoders as they are while a head is trained; add model.head")


def require_recorded(phases: Phases, training: Training, description: Description) -> None:
    """Raise Refusal for labels of a phase that has none, and for a monitor that a phase does not record."""
    for name, settings in phases.items():
        if settings is not None and settings.labels is not None:
            _check_labels(name, settings.labels, description)
        recorded = ("loss", "accuracy") if name == "head" else ("loss", "reconstruction_loss", "mse")
        for key, monitor in training.of_phase(name).monitors().items():
            if monitor.removeprefix("validation_") not in recorded:
                place = ("training", "phases", name, key, "monitor")
                raise Refusal(place, f"{monitor} is not recorded in this phase; it has {', '.join(recorded)}")


def labels(phase: PhaseTraining | None) -> int | None:
    """How many labelled samples a phase is trained on, None: all."""
    return phase.labels if phase else None


def _check_labels(name: str, labels: int, description: Description) -> None:
    where = ("training", "phases", name, "labels")
    if name != "head":
        raise Refusal(where, "only the head is trained with labels; leave it out")
    if labels > description.samples:
        raise Refusal(where, f"there are {description.samples} training samples; lower labels, or raise data.train")
