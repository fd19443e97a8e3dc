from __future__ import annotations

import os
import subprocess
import sys

import keras
import pytest

from mlphys.errors import UserError
from mlphys.networks import tensorflow


def test_tensorflow_that_a_notebook_has_used_before_keeps_its_threads_and_tells_them():
    program = (
        "import tensorflow\n"
        "tensorflow.config.threading.set_intra_op_parallelism_threads(3)\n"
        "tensorflow.constant(1.0) + 1.0\n"
        "from mlphys.networks import tensorflow as ours\n"
        "ours.configure(1, 2)\n"
        "print(ours.fits(1, 2), ours.fits(3, None))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_NUM_INTRAOP_THREADS"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False True\n"


def test_keras_that_was_imported_with_another_backend_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(tensorflow, "_module", None)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UserError) as error:
        tensorflow.start()
    assert str(error.value) == (
        "Keras was imported with the backend jax, and mlphys needs tensorflow; start Python again and import mlphys "
        "before keras"
    )
