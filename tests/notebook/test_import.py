from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import mlphys
from mlphys.notebook.analysis import AnalysisFigures
from mlphys.notebook.history import History

CLASSES = [mlphys.Run, mlphys.Study, mlphys.Comparison, AnalysisFigures, History]


def public(cls: type) -> list[str]:
    """What a user sees of a class, without what dict brings."""
    return [name for name in vars(cls) if not name.startswith("_")]


def test_importing_mlphys_imports_nothing_heavy_and_asking_what_it_has_does_neither():
    heavy = {"numpy", "pydantic", "yaml", "click", "tensorflow", "keras", "matplotlib", "sklearn", "IPython"}
    program = f"import sys, mlphys; dir(mlphys); mlphys.__version__; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_opening_a_run_needs_neither_tensorflow_nor_matplotlib():
    program = (
        "import sys, mlphys\n"
        "mlphys.train, mlphys.Run, mlphys.compare\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'sklearn', 'IPython', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_of_all_is_there_and_listed():
    assert all(getattr(mlphys, name).__name__ == name for name in mlphys.__all__)
    assert set(mlphys.__all__) <= set(dir(mlphys))


def test_another_name_is_an_attribute_error_as_of_any_module():
    with pytest.raises(AttributeError, match="module 'mlphys' has no attribute 'trian'"):
        mlphys.trian  # noqa: B018


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_public_attribute_has_a_docstring(cls: type):
    undocumented = [name for name in public(cls) if not inspect.getdoc(vars(cls)[name])]
    fields = set(getattr(cls, "__dataclass_fields__", ()))
    assert set(undocumented) <= fields
    assert inspect.getdoc(cls)
