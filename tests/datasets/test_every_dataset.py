import inspect
import subprocess
import sys

import pytest

from mlphys.schema import registry
from mlphys.schema.data import DataSpec, RemoteFile

PACKAGE = "mlphys.datasets"
NAMES = registry.names(PACKAGE)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_what_an_entry_must_have(name):
    entry = registry.entry(PACKAGE, name)
    assert issubclass(entry.Spec, DataSpec)
    assert entry.Spec.model_fields["name"].annotation.__args__ == (name,)
    for function in (entry.describe, entry.load):
        assert list(inspect.signature(function).parameters) == ["spec"]
    assert all(isinstance(source, RemoteFile) for source in entry.Spec.sources())


@pytest.mark.parametrize("name", NAMES)
def test_its_first_line_says_what_it_is(name):
    line = inspect.getdoc(registry.entry(PACKAGE, name).Spec).partition("\n")[0]
    assert line.endswith(".")


def test_importing_them_imports_neither_tensorflow_nor_scikit_learn():
    lines = [f"import {PACKAGE}.{name}" for name in NAMES]
    lines.append("import sys; print(sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys()))")
    out = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
