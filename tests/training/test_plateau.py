from __future__ import annotations

import keras
import numpy as np
import pytest

from mlphys.schema.training import ReduceLROnPlateau
from mlphys.training.plateau import Plateau, lowered

LOSSES = [1.0, 0.9, 0.9, 0.89999, 0.95, 0.5, 0.6, 0.6, 0.6, 0.6, 0.4]


@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("least", [0.0, 0.2])
def test_the_rates_are_those_of_keras_callback(patience, least):
    settings = ReduceLROnPlateau(
        monitor="validation_loss", factor=0.5, patience=patience, min_delta=1e-3, min_learning_rate=least
    )
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.5, patience=patience, min_delta=1e-3, min_lr=least
    )
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    callback.set_model(model)
    callback.on_train_begin()
    plateau, rate, ours, theirs = Plateau(), 1.0, [], []
    for epoch, loss in enumerate(LOSSES):
        plateau, lowers = plateau.after(settings, loss)
        rate = lowered(settings, rate) if lowers else rate
        ours.append(rate)
        callback.on_epoch_end(epoch, {"val_loss": loss})
        theirs.append(float(np.asarray(model.optimizer.learning_rate)))
    assert ours == pytest.approx(theirs)
    assert ours[-1] < 1


def test_an_accuracy_is_to_grow():
    settings = ReduceLROnPlateau(monitor="val_accuracy", patience=1)
    plateau, _ = Plateau().after(settings, 0.5)
    assert not plateau.after(settings, 0.6)[1]
    assert plateau.after(settings, 0.4)[1]


def test_the_state_comes_back_from_a_checkpoint():
    for plateau in (Plateau(), Plateau(0.25, 3)):
        assert str(Plateau.from_dict(plateau.as_dict())) == str(plateau)
