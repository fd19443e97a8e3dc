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


def test_flags_that_would_end_the_process_or_change_what_is_compiled_are_left_out(monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag  --xla_gpu_cuda_data_dir=/opt/cuda")
    tensorflow.leave_out_foreign_flags()
    assert "TF_XLA_FLAGS" not in os.environ
    assert os.environ["XLA_FLAGS"] == "--xla_gpu_cuda_data_dir=/opt/cuda"


def test_parts_that_are_seldom_used_are_imported_at_their_first_use_and_nothing_else_has_changed():
    program = """
import gc, sys, typing
from mlphys.networks import tensorflow as ours
tf = ours.start()
waiting = {name for name in ours._SELDOM_USED if type(sys.modules[name]).__name__ == "_LazyModule"}
assert waiting == set(ours._SELDOM_USED), waiting
assert {"pandas", "IPython", "sklearn", "tensorflow._api.v2.compat.v1"}.isdisjoint(sys.modules)
assert {"requests", "urllib3"}.isdisjoint(sys.modules)  # which open a socket
assert gc.isenabled() and "compile" not in vars(typing)
from tensorflow.python.framework import ops
before = set(ops.gradient_registry.list())
import keras, numpy as np, pandas
assert tf.compat.v1.get_default_graph() is ops.get_default_graph()
from tensorflow.python.distribute.failure_handling import failure_handling_util
import requests
assert failure_handling_util.requests.get is requests.get
assert tf.tpu.experimental and tf.feature_column.numeric_column
assert tf.__internal__.feature_column.StateManager
assert set(ops.gradient_registry.list()) == before
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(pandas.DataFrame(np.zeros((4, 2))), np.zeros((4, 1)), verbose=0)
assert model.name == "sequential"
ours.reset_names()
assert keras.Sequential().name == "sequential"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
