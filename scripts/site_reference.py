"""The pages of the reference that the program writes of itself: options, entries, names for notebooks, configs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

import mlphys
from mlphys.cli import main
from mlphys.config.reference import Block, blocks, vocabularies
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.schema import registry
from scripts.keys import keys_table


def pages() -> dict[str, str]:
    """By name."""
    return {"options": options(), "entries": entries(), "api": api(), "configs": configs()}


def options() -> str:
    """The help of every command."""
    parts = ["# Every option", "What `--help` prints."]
    for words, command in _commands(main, ("mlphys",)):
        context = click.Context(command, info_name=" ".join(words), max_content_width=100, terminal_width=100)
        parts.append(f"## {' '.join(words)}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def _commands(group: click.Group, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*before, name))
        elif command:
            yield (*before, name), command


TITLES = {"dataset": "Datasets", "kind of model": "Kinds of model", "analysis": "Analyses", "layer": "Layers"}


def entries() -> str:
    """Datasets, models, layers and analyses with their keys, and the plots."""
    parts = ["# Datasets, models, layers, plots and analyses", "What `mlphys list` and `mlphys explain NAME` print."]
    found = blocks()
    for noun, vocabulary in vocabularies().items():
        if noun not in TITLES:
            continue
        parts.append(f"## {TITLES[noun]}")
        for block in found:
            if block.name and vocabulary.options.get(block.name) is block.spec:
                parts.append(_entry(block))
    parts.append("## Plots")
    for name in registry.names("mlphys.plots"):
        parts.append(f"### {name}\n\n{_plot_sentence(name)}\n\n[In the gallery](../gallery.md#{name})")
    return "\n\n".join(parts) + "\n"


def _entry(block: Block) -> str:
    keys = [key for key in block.keys if not key.names_its_block]
    return f"### {block.name}\n\n{_markup(block.text)}\n\n{keys_table(keys) if keys else ''}".rstrip()


def _plot_sentence(name: str) -> str:
    from mlphys.config.experiment import plot

    return _markup(inspect.cleandoc(plot(name).__doc__ or ""))


def api() -> str:
    """The names of `import mlphys`, with signatures and docstrings."""
    parts = ["# import mlphys", "What [notebooks and programs](../api.md) use."]
    for name in mlphys.__all__:
        found = getattr(mlphys, name)
        parts.append(f"## {name}\n\n```python\n{_signature(name, found)}\n```\n\n{_text(found)}")
        if inspect.isclass(found):
            parts += _members(name, found)
    return "\n\n".join(parts) + "\n"


def _members(name: str, found: type) -> Iterator[str]:
    for member, value in vars(found).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"### {name}.{member}\n\n{_text(value)}"
        elif callable(value):
            yield f"### {name}.{member}\n\n```python\n{_signature(member, value)}\n```\n\n{_text(value)}"


def _signature(name: str, found: object) -> str:
    if inspect.isclass(found):
        return f"class mlphys.{name}"
    return f"{name}{inspect.signature(found)}"  # type: ignore[arg-type]


def _text(found: object) -> str:
    return _markup(inspect.getdoc(found) or "")


def _markup(text: str) -> str:
    """A docstring as Markdown: what its formulas have in common with markup stays text."""
    return re.sub(r"([<*_$|\[\]])(?=[^`]*(?:`[^`]*`[^`]*)*$)", r"\\\1", text)


def configs() -> str:
    """Every config that comes along, as it is."""
    parts = ["# Every config", "`mlphys config copy NAME` brings one of them here."]
    for name, path in {**shipped(), **shipped_studies()}.items():
        parts.append(f"(config-{name})=\n## {name}\n\n```yaml\n{path.read_text().rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
