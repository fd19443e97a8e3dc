"""Early stopping on series of values."""

from __future__ import annotations

import math

import pytest

from mlphys.schema.training import EarlyStopping
from mlphys.training.early_stopping import Watch


def watched(values, **settings):
    """Epochs trained, why it stopped, and the best epoch, for a series of values."""
    early = EarlyStopping(**settings)
    watch = Watch()
    for epoch, value in enumerate(values, start=1):
        watch = Watch.from_dict(watch.as_dict()).after(early, epoch, value)
        if watch.stopped(early):
            return epoch, watch.stopped(early), watch.best_epoch
    return len(values), None, watch.best_epoch


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([3, 2, 1], {"patience": 0}, (3, None, 3)),
        ([3, 2, 2, 1], {"patience": 0}, (3, "early_stopping", 2)),
        ([3, 2, 2, 1], {"patience": 1}, (3, "early_stopping", 2)),
        ([3, 2, 4, 4, 1], {"patience": 2}, (4, "early_stopping", 2)),
        ([3, 2, 4, 4, 1], {"patience": 3}, (5, None, 5)),
        ([3.0, 2.95, 2.92], {"patience": 2, "min_delta": 0.1}, (3, "early_stopping", 1)),
        ([3.0, 2.95, 2.85], {"patience": 2, "min_delta": 0.1}, (3, None, 3)),
        ([0.5, 0.6, 0.55, 0.58], {"monitor": "validation_accuracy", "patience": 2}, (4, "early_stopping", 2)),
        ([3, 2, 0.9, 0.5], {"target": 1.0}, (3, "target", 3)),
        ([0.5, 0.8, 0.95], {"monitor": "accuracy", "target": 0.8}, (2, "target", 2)),
        ([math.nan, 2, 1], {"patience": 5}, (3, None, 3)),
        ([math.nan, math.nan], {"patience": 0}, (1, "early_stopping", 0)),
        ([math.nan, 3, math.nan, 2, 2, 2], {"patience": 2}, (6, "early_stopping", 4)),
        ([3, math.nan, math.nan, 1], {"patience": 2}, (3, "early_stopping", 1)),
        ([math.nan, 2, 2], {"patience": 1}, (1, "early_stopping", 0)),
        ([math.nan, 0.5], {"patience": 5, "target": 1.0}, (2, "target", 2)),
        ([3, 3, 3], {"patience": 2}, (3, "early_stopping", 1)),
        ([3.0, 2.8, 2.6, 2.4], {"patience": 3, "min_delta": 0.25}, (4, None, 3)),  # against the best, not the last
        ([0.0, -1.0, -2.0], {"patience": 1}, (3, None, 3)),
        ([0.9, 0.8, 0.7], {"monitor": "accuracy", "patience": 2}, (3, "early_stopping", 1)),
        ([2, 5, 1.5, 5, 5, 1.4], {"patience": 2}, (5, "early_stopping", 3)),
    ],
)
def test_training_stops_once_the_monitored_value_is_patience_epochs_past_its_best(values, settings, expected):
    assert watched(values, **settings) == expected
