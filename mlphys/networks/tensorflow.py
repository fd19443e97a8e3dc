"""TensorFlow's set-up, at its first use."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mlphys.errors import UserError

# Parts that take a fifth of the import, are not used by a training, and register no gradients: loaded at first use
_SELDOM_USED = (
    *(f"tensorflow._api.v2.{name}" for name in ("compat", "feature_column", "__internal__.feature_column", "tpu")),
    "keras.src.trainers.data_adapters.array_slicing",  # imports pandas for Keras's own `fit`
)
# Of XLA_FLAGS those that TensorFlow is given: XLA ends the process at one that it does not know
_XLA_FLAGS = ("xla_gpu_cuda_data_dir", "xla_backend_optimization_level", "xla_llvm_disable_expensive_passes")

_module: ModuleType | None = None
_operation_threads: int | None = None
_started_with: tuple[int | None, int | None] = (None, None)  # of those two, what TensorFlow has
_threads: int | None = None
_frozen = False  # gc.get_freeze_count() takes .1 s: it counts


def configure(operation_threads: int | None, threads: int | None = None) -> None:
    """Start TensorFlow with so many threads for an operation, and for operations side by side; None: one a core.

    Effective when TensorFlow starts, once per process, unless TF_NUM_INTRAOP_THREADS is set.
    """
    global _operation_threads, _threads
    _operation_threads, _threads = operation_threads, threads
    start()


def operation_threads() -> int | None:
    """The threads per operation of the last `configure`."""
    return _operation_threads


def fits(operation_threads: int | None, threads: int | None) -> bool:
    """Whether TensorFlow, if it was started, has the threads that `configure` would give it."""
    same = _started_with == (operation_threads, threads)
    return _module is None or same or "TF_NUM_INTRAOP_THREADS" in os.environ


def custom_gradients() -> frozenset[str]:
    """The names of the gradients of `tf.custom_gradient`, which TensorFlow keeps, each with the graph that it is of."""
    if _module is None:
        return frozenset()
    from tensorflow.python.framework import ops

    return frozenset(name for name in ops.gradient_registry.list() if name.startswith("CustomGradient-"))


def forget(before: frozenset[str]) -> None:
    """Free what Keras keeps of the networks of this process, if any, and custom gradients but those `before`."""
    if _module is None:
        return
    global _frozen
    from tensorflow.python.framework import ops

    for name in custom_gradients() - before:
        del ops.gradient_registry._registry[name]
    _clear_session()
    gc.collect()
    if not _frozen:
        _frozen = True
        gc.freeze()  # what TensorFlow's modules hold is there to stay, and looked through no more: .3 s a network


def reset_names() -> None:
    """Let Keras number layers and models from the first again, as in a new process.

    TensorFlow optimizes a graph in an order that depends on its names, and with it the order of the summands of a
    gradient: the last digits of a training must not depend on the networks that the process built before.
    """
    start()
    _clear_session()


def _clear_session() -> None:
    """`keras.backend.clear_session` without the garbage collection, and of Keras 3.15 without the import that its own
    makes for one function: `tf.compat.v1` takes most of a second."""
    import keras

    if not keras.__version__.startswith("3.15."):
        keras.backend.clear_session(free_memory=False)
        return
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    global_state.GLOBAL_STATE_TRACKER = threading.local()
    global_state.GLOBAL_SETTINGS_TRACKER = threading.local()
    ops.reset_default_graph()
    if context.executing_eagerly():
        context.context().clear_kernel_cache()


def start() -> ModuleType:
    """TensorFlow, set up; Keras is imported with it.

    Raises UserError where Keras was imported before, and computes with something else.
    """
    global _module, _started_with
    if _module is None:
        _require_keras_of_tensorflow()
        leave_out_foreign_flags()
        # optional dependencies of Keras whose import takes a second, not used by mlphys
        hidden = _absent("sklearn", "matplotlib", "matplotlib.pyplot", "IPython")
        late = _at_first_use(_SELDOM_USED)
        with _without_notices(), hidden, _stands_in("requests"), late, _in_one_go():
            import keras  # noqa: F401 - now, so that it is not imported with them later
            import tensorflow

            settings = tensorflow.config.threading
            with contextlib.suppress(RuntimeError):  # it has computed in this process already, and keeps its settings
                if _operation_threads is not None and "TF_NUM_INTRAOP_THREADS" not in os.environ:
                    settings.set_intra_op_parallelism_threads(_operation_threads)
                if _threads is not None:
                    settings.set_inter_op_parallelism_threads(_threads)
                for accelerator in tensorflow.config.list_physical_devices("GPU"):
                    # otherwise it allocates all memory
                    tensorflow.config.experimental.set_memory_growth(accelerator, True)
            tensorflow.config.list_logical_devices()
            _started_with = (
                settings.get_intra_op_parallelism_threads() or None,
                settings.get_inter_op_parallelism_threads() or None,
            )
            tensorflow.get_logger().setLevel("ERROR")  # no warnings of retracing, which chunks of several sizes cause
        _module = tensorflow
    return _module


def leave_out_foreign_flags() -> None:
    """Keep from XLA what would end the process, or change what is compiled and so the last digits of a training."""
    os.environ.pop("TF_XLA_FLAGS", None)
    if flags := os.environ.get("XLA_FLAGS"):
        known = [flag for flag in flags.split() if flag.lstrip("-").partition("=")[0] in _XLA_FLAGS]
        os.environ["XLA_FLAGS"] = " ".join(known)


def _require_keras_of_tensorflow() -> None:
    """Raise UserError where a program or a notebook has imported Keras with another backend."""
    keras = sys.modules.get("keras")
    backend = keras.config.backend() if keras else "tensorflow"
    if backend != "tensorflow":
        raise UserError(
            f"Keras was imported with the backend {backend}, and mlphys needs tensorflow; "
            "start Python again and import mlphys before keras"
        )


class _Lazy:
    """Stands for TensorFlow in modules that may be imported without it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(start(), name)


tf: Any = _Lazy()


def accelerators() -> list[str]:
    """The accelerators in use, empty on a machine with none."""
    return [device.name for device in tf.config.list_physical_devices("GPU")]


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Capture what TensorFlow's libraries write to stderr; print it if an exception is raised."""
    try:
        capture = tempfile.TemporaryFile()  # noqa: SIM115 - entered below
    except OSError:  # no folder for temporary files can be written to: the notices are shown
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with capture as stderr:
        os.dup2(stderr.fileno(), 2)
        try:
            yield
        except Exception:
            stderr.seek(0)
            os.write(saved, stderr.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def _in_one_go() -> Iterator[None]:
    """A quarter of the time of an import that makes millions of objects, all of which stay.

    No garbage is looked for; and TensorFlow annotates with a few types in quotes, ten thousand times, each of which
    `typing` would compile.
    """
    import typing

    collects = gc.isenabled()
    gc.disable()
    vars(typing)["compile"] = functools.cache(compile)
    try:
        yield
    finally:
        del vars(typing)["compile"]
        if collects:
            gc.enable()


@contextlib.contextmanager
def _at_first_use(modules: Sequence[str]) -> Iterator[None]:
    """Importing one of these in here executes nothing; its first attribute that is used does."""
    finder = _Postponing(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Postponing:
    """Finds modules whose execution waits for their first use, importlib's LazyLoader."""

    def __init__(self, modules: Sequence[str]):
        self._waiting = set(modules)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in self._waiting:
            return None
        self._waiting.remove(name)  # the other finders are next
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


class _StandIn(ModuleType):
    """Stands for a module until an attribute of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _stands_in(name: str) -> Iterator[None]:
    """What imports this module in here has a stand-in: requests opens a socket, to see whether there is IPv6.

    importlib's LazyLoader would load what is imported a second time.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def _absent(*modules: str) -> Iterator[None]:
    """Importing one of these fails in here, unless it is imported already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
