import importlib
import sys
from abc import ABC, abstractmethod

import pytest

from mlphys.schema import registry


class Fruit(ABC):
    """What the entries of these tests are."""

    @abstractmethod
    def taste(self) -> str:
        """What it tastes like."""


HEAD = f"from {__name__} import Fruit\n"
APPLE = HEAD + "class Apple(Fruit):\n    def taste(self):\n        return 'sour'\n"


@pytest.fixture
def orchard(tmp_path, monkeypatch):
    """Write the files of a registry; gives the name of its package."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def written(**files: str) -> str:
        for name, source in files.items():
            (folder / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return "orchard"

    yield written
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        del sys.modules[name]


def test_a_file_is_an_entry_and_one_with_an_underscore_is_not(orchard):
    package = orchard(pear=APPLE.replace("Apple", "Pear"), apple=APPLE, _ladder="HEIGHT = 3\n")
    assert registry.names(package) == ["apple", "pear"]
    found = registry.entries(package, Fruit)
    assert list(found) == ["apple", "pear"]
    assert found["apple"]().taste() == "sour"
    assert registry.entry(package, "pear", Fruit) is found["pear"]


def test_names_are_found_without_importing_the_files(orchard):
    package = orchard(broken="raise RuntimeError\n")
    assert registry.names(package) == ["broken"]


def test_what_a_file_imports_or_keeps_to_itself_is_no_entry(orchard):
    package = orchard(
        apple=APPLE,
        cider="from orchard.apple import Apple\n" + HEAD + "class _Press(Fruit): pass\nclass Cider(Apple): pass\n",
    )
    assert registry.entry(package, "cider", Fruit).__name__ == "Cider"


@pytest.mark.parametrize(
    ("source", "there"),
    [
        ("class Apple: pass\n", "none"),
        (HEAD + "class Plum(Fruit): pass\nclass Apple(Fruit): pass\n", "Plum and Apple"),
    ],
)
def test_a_file_without_one_entry_is_refused_by_its_name(orchard, tmp_path, source, there):
    package = orchard(apple=source)
    with pytest.raises(TypeError) as error:
        registry.entries(package, Fruit)
    file = tmp_path / "orchard" / "apple.py"
    assert str(error.value) == f"{file}: an entry is one public class that is a Fruit; there is {there}"
