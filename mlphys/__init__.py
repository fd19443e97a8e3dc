"""Machine-learning experiments for physics courses and small research.

In a notebook or a program: `run = mlphys.train("conv_digits")`; then `run.metrics`, `run.predict(x)`, ...
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlphys.errors import UserError
    from mlphys.notebook import Comparison, Run, Study, compare, load_run, load_study, resume, sweep, train

__version__ = "0.1.0"
__all__ = [
    "Comparison", "Run", "Study", "UserError", "compare", "load_run", "load_study", "resume", "sweep", "train",
]  # fmt: skip

# Keras and TensorFlow read these once, when they are first imported. Results must not depend on
# what else is installed or set: oneDNN carries the speed of the convolutions.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def __getattr__(name: str) -> Any:
    """The names of `__all__`, imported when they are first used: `import mlphys` alone takes no time."""
    if name not in __all__:
        raise AttributeError(f"module 'mlphys' has no attribute {name!r}")
    from mlphys import errors, notebook

    return getattr(errors if name == "UserError" else notebook, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
