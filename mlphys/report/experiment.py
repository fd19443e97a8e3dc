"""The experiment: the config with its defaults folded away, and the cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlphys.report import mathml
from mlphys.report.html import element, joined
from mlphys.report.page import Section
from mlphys.runs.run import Run
from mlphys.schema import document
from mlphys.schema.spec import Spec

ELSEWHERE = ("about", "plots", "analysis", "expect", "published", "study")  # keys that change no number


def section(run: Run) -> Section:
    config = run.config
    complete = config.model_dump()
    short = {key: value for key, value in without_defaults(config, complete).items() if key not in ELSEWHERE}
    parts = [
        element("pre", element("code", document.dump(short).rstrip()), tabindex="0", class_="whole"),
        element(
            "details",
            element("summary", "with every default"),
            element("pre", element("code", document.dump(complete).rstrip()), tabindex="0"),
        ),
        element("h3", "Cost"),
        mathml.formula(run.loaded.cost()),
    ]
    return Section("experiment", "The experiment", joined(*parts))


def without_defaults(spec: Spec, dumped: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a block that differ from its defaults, of the blocks in it too."""
    non_default = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if field.is_required() or value != field.get_default(call_default_factory=True, validated_data={}):
            non_default[name] = _folded(value, dumped[name])
    return non_default


def _folded(value: Any, dumped: Any) -> Any:
    if isinstance(value, list | tuple) and isinstance(dumped, list | tuple):
        return [_folded(each, written) for each, written in zip(value, dumped, strict=True)]
    if not isinstance(value, Spec) or not isinstance(dumped, Mapping):
        return dumped
    if len(dumped) == 1 and not {*dumped} & {*type(value).model_fields}:
        [(name, inner)] = dumped.items()
        arguments = without_defaults(value, inner)
        return {name: arguments} if arguments else name
    return without_defaults(value, dumped)
