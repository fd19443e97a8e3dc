"""The training samples of each epoch, if they differ: fresh samples and augmentation."""

from __future__ import annotations

from dataclasses import replace

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Generated
from mlphys.schema.samples import Split, Splits
from mlphys.training.augmentation import Augmenter
from mlphys.training.phase_samples import Feed
from mlphys.training.prefetch import Change


def feed(loaded: ResolvedExperiment, dataset: Splits, fitted: Preprocessing) -> Feed | None:
    """The samples and their transformation by epoch; None if all epochs have the same.

    Without a transformation the samples are preprocessed already; with one they are in the space of the data.
    """
    experiment = loaded.experiment
    data, augmentation = experiment.data, experiment.training.augmentation
    augment = Augmenter(augmentation, experiment.seed) if augmentation else None

    def fresh(epoch: int, samples: int) -> Split:
        seed = int(rng(experiment.seed, "fresh samples", epoch).integers(2**63))
        drawn = data.model_copy(update={"samples": samples, "sample_seed": seed}).load()
        return Split(drawn.x, drawn.y)

    is_fresh = isinstance(data, Generated) and data.fresh
    if not is_fresh and augment is None:
        return None

    def of_epoch(epoch: int, samples: int) -> tuple[Split, Change | None]:
        split = fresh(epoch, samples) if is_fresh else dataset.train
        if augment is None:
            return fitted.split(split), None
        return split, lambda block, number: fitted.split(replace(block, x=augment(block.x, epoch, number)))

    return of_epoch
