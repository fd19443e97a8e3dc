"""Which module may import which: the way of the data, in one direction."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mlphys
from mlphys.schema import registry

FOLDER = Path(mlphys.__file__).parent

# A room imports from the rows above its own only, for types too. The modules of an open room import each other,
# without a circle; the entries of a registry (datasets, models, plots, analysis) do not, but may share a helper, whose
# name begins with an underscore.
ROWS = [
    ["terminal"],
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
    ["studies"],
    ["export", "report"],
    ["commands", "show"],
    ["server"],
    ["cli", "notebook"],
]
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}
REGISTRIES = {"datasets", "models", "plots", "analysis"}


@cache
def modules() -> dict[str, str]:
    """The source of every module of the package by its dotted name, without the roots of packages and the way in."""
    paths = (path for path in sorted(FOLDER.rglob("*.py")) if path.stem not in ("__init__", "__main__"))
    return {".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text() for path in paths}


@cache
def imports(source: str) -> frozenset[str]:
    """The full names that a source imports, also in functions and for types.

    A package of mlphys named as text counts: `registry.entry("mlphys.plots", name)` imports from it.
    """
    return _imported(source, at_once=False)


@cache
def imports_at_once(source: str) -> frozenset[str]:
    """Those that are imported when the module is: not in a function, and not for types only."""
    return _imported(source, at_once=True)


def _imported(source: str, at_once: bool) -> frozenset[str]:
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if at_once and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Constant) and str(node.value).startswith("mlphys."):
            found.add(node.value)
        waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def used(source: str) -> set[str]:
    """The modules that a source imports; of a package, or of its folder as a registry, all in it."""
    names = [name.removeprefix("mlphys.") for name in imports(source) if name.startswith("mlphys.")]
    return set().union(*(within().get(name, ()) for name in names), modules().keys() & above(names))


@cache
def within() -> dict[str, set[str]]:
    """The modules of each package, and each module itself."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for package in above([module]):
            found.setdefault(package, set()).add(module)
    return found


def above(names: Iterable[str]) -> set[str]:
    """Dotted names, and all in which they are: a.b.c, a.b, a."""
    return {".".join(name.split(".")[:length]) for name in names for length in range(1, name.count(".") + 2)}


def _within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def is_helper(name: str) -> bool:
    """Whether a module in the folder of a registry is no entry."""
    return name.rpartition(".")[2].startswith("_")


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
        ("if TYPE_CHECKING:\n    import keras\nelse:\n    import json", {"keras", "json"}),
        ("entry('mlphys.plots', name)", {"mlphys.plots"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, names):
    assert imports(source) == names


def test_what_is_imported_at_once_stands_in_no_function_and_is_not_for_types():
    source = "import json\nclass A:\n    import os\n    def f(self):\n        import keras"
    assert imports_at_once(source) == {"json", "os"}
    assert imports_at_once("if TYPE_CHECKING:\n    import keras\nelse:\n    import json") == {"json"}


def test_every_module_stands_in_the_table_and_every_room_of_the_table_exists():
    assert {room(name) for name in modules()} == set(RANK)


def test_what_a_name_is_in_and_what_is_in_it():
    assert above(["io.formats.image"]) == {"io.formats.image", "io.formats", "io"}
    assert "io.formats.image" in used("import mlphys.io") & used("from mlphys.io.formats import image")
    assert used("from mlphys.runs.run import Run") == {"runs.run"}


def test_a_module_imports_from_the_rows_above_its_own():
    wrong = set()
    for name, source in modules().items():
        own = room(name)
        later = {other for other in used(source) if RANK[room(other)] >= RANK[own]}
        wrong |= {(name, other) for other in later if room(other) != own}
        if own in REGISTRIES:
            wrong |= {(name, other) for other in later if not is_helper(other)}
    assert wrong == set()


def test_no_module_needs_itself_by_way_of_others():
    graph = {name: used(source) - {name} for name, source in modules().items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


def importing(package: str, at_once: bool = False) -> set[str]:
    """The modules that import `package` or something of it."""
    of = imports_at_once if at_once else imports
    return {name for name, source in modules().items() if any(_within(imported, package) for imported in of(source))}


def test_tensorflow_is_imported_where_it_is_set_up_and_by_our_operations_only():
    assert importing("tensorflow") == {"networks.tensorflow", "native.tf_ops"}


@pytest.mark.parametrize("package", ["keras", "matplotlib", "rich", "sklearn", "starlette", "uvicorn"])
def test_what_takes_long_to_import_is_imported_in_the_functions_that_use_it(package):
    assert importing(package)
    ours = {"native.differentiable"}
    layers = ours | {name for name in modules() if name.startswith("networks.layers.")}
    expected = layers if package == "keras" else set()
    assert importing(package, at_once=True) == expected


@pytest.mark.parametrize(
    "module", ["matplotlib.pyplot", "pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"]
)
def test_nothing_imports_what_keeps_figures_in_a_global_or_can_run_code_from_a_file(module):
    assert importing(module) == set()


def compared_texts(source: str) -> set[str]:
    """The texts that a source compares something with: by ==, in, match, or as keys of a table that is looked up."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            if isinstance(node.left, ast.Constant) and isinstance(node.ops[0], ast.In | ast.NotIn):
                continue  # a key of a table, such as a metric
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
            parts = [key for key in node.value.keys if key]
        else:
            continue
        constants = (inner for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Constant))
        found |= {constant.value for constant in constants if isinstance(constant.value, str)}
    return found


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("kind == 'rbm'", {"rbm"}),
        ("model.kind not in ('rbm', 'pca')", {"rbm", "pca"}),
        ("match kind:\n    case 'rbm' | 'pca':\n        pass", {"rbm", "pca"}),
        ("{'rbm': 1, 'pca': 2}[kind]", {"rbm", "pca"}),
        ("raise NotApplicable('rbm')", set()),
        ("'pca' in numbers", set()),
    ],
)
def test_texts_that_are_compared_are_found_however_they_are(source, texts):
    assert compared_texts(source) == texts


def test_outside_of_models_no_kind_of_model_is_recognized_by_its_name_or_class():
    kinds = set(registry.names("mlphys.models"))
    classes = {f"mlphys.models.{kind}" for kind in kinds}
    outside = {name: source for name, source in modules().items() if room(name) != "models"}
    wrong = {name: compared_texts(source) & kinds | imports(source) & classes for name, source in outside.items()}
    assert {name: recognized for name, recognized in wrong.items() if recognized} == {}


def test_modules_are_imported_by_a_computed_name_in_the_registry_only():
    finding = importing("importlib.metadata") | importing("importlib.util")  # versions, files and loaders
    assert importing("importlib") - finding == {"schema.registry"}


# Where runs are read and written: nothing there touches a file but by `RunFolder`, which follows no link.
OF_RUNS = {"io.history", "io.run_files", "figures.save", "training.checkpoint"}
TOUCHING = {
    "open", "fdopen", "write_text", "write_bytes", "read_text", "read_bytes", "unlink", "rmdir", "rename", "mkdir",
    "iterdir", "glob", "rglob", "touch", "symlink_to", "hardlink_to", "rmtree", "savez", "savez_compressed",
    "save_file", "load_file", "safe_open", "savefig", "makedirs", "listdir", "scandir",
}  # fmt: skip
# Folders of many runs and those that a command names, the user's own; style and script of a page; pictures and arrays
# made in memory.
ALLOWED = {
    ("io.run_files", "iterdir"), ("runs.run", "glob"), ("runs.writer", "iterdir"), ("runs.writer", "mkdir"),
    ("report.page", "glob"), ("report.page", "read_text"),
    ("runs.writer", "savez_compressed"), ("commands.predict", "savez_compressed"), ("figures.save", "savefig"),
}  # fmt: skip


def test_files_of_a_run_are_touched_by_its_folder_only():
    found = set()
    for name, source in modules().items():
        if name in OF_RUNS or room(name) in ("runs", "report", "commands", "show"):
            calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
            called = {call.attr for call in calls if isinstance(call, ast.Attribute)}
            called |= {call.id for call in calls if isinstance(call, ast.Name)}
            found |= {(name, each) for each in called & TOUCHING}
            found |= {(name, "atomic.write")} if "atomic.write(" in source else set()
    assert found <= ALLOWED
