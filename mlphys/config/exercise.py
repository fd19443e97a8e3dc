"""An exercise: a config without the values that are to be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from mlphys.config.difference import differing
from mlphys.config.disclosure import discloses, without
from mlphys.config.experiment import Experiment, ResolvedExperiment
from mlphys.config.load import load_document
from mlphys.errors import UserError
from mlphys.schema.document import BLANK, Document, KeyPath, dotted
from mlphys.schema.suggestions import listed, suggestion

NOT_SEARCHED = ("about", "expect", "published", "study")  # for short names


@dataclass(frozen=True)
class Exercise:
    """The student's document, the keys that are blank in it, and the values that belong there."""

    document: Document
    answers: Mapping[KeyPath, Any]

    def without_answers(self, text: str) -> str:
        """The clauses of a text that disclose no value."""
        return without(text, list(self.answers.values()))


def exercise(document: Document, loaded: ResolvedExperiment, names: Sequence[str]) -> Exercise:
    """The config of `document`, which was `loaded`, with blanks at the keys called `names`.

    What it is expected to reach stays, published numbers and remarks that disclose a value do not. Raises UserError
    for names of no key or of several, and where the other values do not make the same experiment.
    """
    complete = loaded.experiment.model_dump()
    answers: dict[KeyPath, Any] = {}
    for name in names:
        path = _resolved(name, document.data, complete)
        answers[path] = _at(document.data, path) if path in set(_paths(document.data)) else _at(complete, path)
    _require_apart(list(answers))
    _require_outside_of_grid(list(answers), loaded.experiment)
    blank = _with_values(_kept(document, answers), dict.fromkeys(answers, BLANK))
    _require_same(_with_values(blank, answers), loaded.experiment, list(answers))
    return Exercise(blank, answers)


def _resolved(name: str, own: Any, complete: Any) -> KeyPath:
    """The key called `name`, by its path or the end of it: of those in the config, otherwise of the defaults."""
    for data in (own, complete):
        paths = list(_paths(data))
        if exact := [path for path in paths if dotted(path) == name]:
            return exact[0]
        matches = [path for path in paths if path[0] not in NOT_SEARCHED and dotted(path).endswith(f".{name}")]
        if len(matches) > 1:
            raise UserError(
                f"--blank {name}: several keys are called so; write one of {listed([*map(dotted, matches)])}"
            )
        if matches:
            return matches[0]
    known = [path for path in _paths(complete) if path[0] not in NOT_SEARCHED]
    near = suggestion(name, list(dict.fromkeys([*map(dotted, known), *(str(path[-1]) for path in known)])))
    raise UserError(f"--blank {name}: the config has no such key{near}; `mlphys config show CONFIG` prints all of them")


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Of all keys and entries of lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, below in inner:
        yield (*path, key)
        yield from _paths(below, (*path, key))


def _at(data: Any, path: KeyPath) -> Any:
    return reduce(lambda value, key: value[key], path, data)


def _require_apart(paths: Sequence[KeyPath]) -> None:
    for inner in paths:
        for outer in paths:
            if len(outer) < len(inner) and inner[: len(outer)] == outer:
                raise UserError(f"--blank {dotted(inner)}: lies inside of {dotted(outer)}, which is blank; name one")


def _require_outside_of_grid(paths: Sequence[KeyPath], experiment: Experiment) -> None:
    for varied in experiment.study.grid if experiment.study else ():
        for path in map(dotted, paths):
            if f"{varied}.".startswith(f"{path}.") or f"{path}.".startswith(f"{varied}."):
                raise UserError(f"--blank {path}: the study of the config gives {varied} its values; name another key")


def _kept(document: Document, answers: Mapping[KeyPath, Any]) -> Document:
    """The document without published numbers, and without remarks and expectations that disclose a value."""
    data = {"name": document.data["name"], **document.data}
    data.pop("published", None)
    blank = {str(path[-1]) for path in answers}
    if ("expect",) not in answers and isinstance(data.get("expect"), dict):
        data["expect"] = {metric: at for metric, at in data["expect"].items() if not blank & set(metric.split("."))}
    if ("about",) not in answers and isinstance(data.get("about"), dict):
        data["about"] = {
            key: text
            for key, text in data["about"].items()
            if not any(discloses(str(text), value) for value in answers.values())
        }
    remaining = {key: value for key, value in data.items() if key not in ("expect", "about") or value}
    return Document(remaining, document.name, {})


def _with_values(document: Document, values: Mapping[KeyPath, Any]) -> Document:
    for path, value in values.items():
        document = document.with_value(path, value, document.name)
    return document


def _require_same(filled: Document, experiment: Experiment, paths: Sequence[KeyPath]) -> None:
    """Raise UserError unless the values in place of the blanks make the experiment again."""
    try:
        changed = list(differing([experiment, load_document(filled).experiment]))
    except UserError:
        changed = ["all of it"]
    if changed:
        names = ", ".join(map(dotted, paths))
        raise UserError(
            f"--blank {names}: cannot be left out by itself, as the config is written; write the block around it with "
            "its keys, such as data: {name: digits}, or name that block"
        )
