"""The samples of a phase, prepared and corrupted, and those of each of its epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlphys.networks.phases import Gradient
from mlphys.schema.samples import Split, Splits
from mlphys.training.corruption import Corrupter
from mlphys.training.prefetch import Change

# (epoch, number of samples) -> training samples of the epoch, and their transformation or None
Feed = Callable[[int, int], tuple[Split, Change | None]]


class PhaseSamples:
    """`train` and `validation` as a phase takes them, and the samples of its epochs where these differ."""

    def __init__(self, phase: Gradient, dataset: Splits, feed: Feed | None, seed: int):
        self._phase, self._feed = phase, feed
        self.train, self.validation = self._prepared(dataset.train), dataset.validation
        if not phase.only_train:
            self.validation = self._prepared(self.validation)
        self._corrupt = None
        if phase.corruption:
            corrupt = Corrupter(phase.corruption, seed, phase.name)
            self.validation = Corrupter(phase.corruption, seed, f"{phase.name}, validation")(self.validation)
            if phase.corruption.fixed:
                self.train = corrupt(self.train)
            else:
                self._corrupt = corrupt

    def of_epoch(self, epoch: int, samples: int) -> tuple[Split | None, Change | None]:
        """The samples of an epoch, None for `train`, and their transformation."""
        split, change = self._feed(epoch, samples) if self._feed else (None, None)
        steps = [change] if change else []
        if split is not None and change is None:
            split = self._prepared(split)
        elif change and self._phase.prepare:
            steps.append(lambda block, number: self._prepared(block))
        if corrupt := self._corrupt:
            steps.append(lambda block, number: corrupt(block, epoch, number))
        return split, _one_after_the_other(steps) if steps else None

    def _prepared(self, split: Split) -> Split:
        return self._phase.prepare(split) if self._phase.prepare and len(split) else split


def _one_after_the_other(changes: Sequence[Change]) -> Change:
    def change(block: Split, number: int) -> Split:
        for step in changes:
            block = step(block, number)
        return block

    return change
