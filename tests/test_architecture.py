"""Which module may import which: the way of the data, in one direction."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mlphys

FOLDER = Path(mlphys.__file__).parent

# A room imports from the rows above its own only. The modules of an open room import each other, without a circle;
# the entries of a registry (datasets, models, plots, analysis) do not.
ROWS = [
    ["errors"],
    ["numerics", "native", "machine"],
    ["schema"],
    ["io"],
    ["data", "networks"],
    ["datasets", "models", "figures"],
    ["plots", "analysis"],
    ["config"],
    ["training"],
    ["runs"],
    ["commands", "show"],
    ["cli"],
]
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}
REGISTRIES = {"datasets", "models", "plots", "analysis"}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without the roots of packages."""
    paths = (path for path in sorted(FOLDER.rglob("*.py")) if path.name != "__init__.py")
    return {".".join(path.relative_to(FOLDER).with_suffix("").parts): path for path in paths}


def imports(source: str, inside_functions: bool = True) -> set[str]:
    """The full names that a source imports; not those for type checkers, which never run.

    A package of mlphys named as text counts: `registry.entry("mlphys.plots", name)` imports from it.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.FunctionDef) and not inside_functions:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Constant) and str(node.value).startswith("mlphys."):
            found.add(node.value)
        waiting += ast.iter_child_nodes(node)
    return found


def rooms_of(source: str) -> set[str]:
    parts = (name.split(".") for name in imports(source))
    return {room(name[1]) for name in parts if name[0] == "mlphys" and len(name) > 1 and not name[1].startswith("__")}


def room(name: str) -> str:
    """The room of a module, by its dotted name."""
    return name.partition(".")[0]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os.path, json", {"os.path", "json"}),
        ("from mlphys import config", {"mlphys.config"}),
        ("def f():\n    if x:\n        from mlphys.run import Run", {"mlphys.run.Run"}),
        ("class A:\n    def f(self):\n        import keras", {"keras"}),
        ("if TYPE_CHECKING:\n    import keras\nelse:\n    import json", {"json"}),
        ("entry('mlphys.plots', name)", {"mlphys.plots"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, names):
    assert imports(source) == names


def test_imports_inside_functions_can_be_left_out():
    source = "import json\nclass A:\n    import os\n    def f(self):\n        import keras"
    assert imports(source, inside_functions=False) == {"json", "os"}


def test_every_module_stands_in_the_table_and_every_room_of_the_table_exists():
    assert {room(name) for name in modules()} == set(RANK)


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_from_the_rows_above_its_own(name):
    own = room(name)
    later = {other for other in rooms_of(modules()[name].read_text()) if RANK[other] >= RANK[own]}
    assert later <= (set() if own in REGISTRIES else {own})


def importing(package: str, **options: bool) -> set[str]:
    """The modules that import `package` or something of it."""
    found = set()
    for name, path in modules().items():
        if any(f"{imported}.".startswith(f"{package}.") for imported in imports(path.read_text(), **options)):
            found.add(name)
    return found


def test_tensorflow_is_imported_where_it_is_set_up_and_by_our_operations_only():
    assert importing("tensorflow") == {"networks.tensorflow", "native.tf_ops"}


@pytest.mark.parametrize("package", ["keras", "matplotlib", "rich", "sklearn"])
def test_what_takes_long_to_import_is_imported_in_the_functions_that_use_it(package):
    assert importing(package)
    ours = {"native.differentiable"}
    layers = ours | {name for name in modules() if name.startswith("networks.layers.")}
    at_once = layers if package == "keras" else set()
    assert importing(package, inside_functions=False) == at_once


@pytest.mark.parametrize(
    "module", ["matplotlib.pyplot", "pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"]
)
def test_nothing_imports_what_keeps_figures_in_a_global_or_can_run_code_from_a_file(module):
    assert importing(module) == set()


def test_modules_are_imported_by_a_computed_name_in_the_registry_only():
    assert importing("importlib") - importing("importlib.metadata") == {"schema.registry"}
