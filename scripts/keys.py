"""Write what is derived from the classes of the config language: `python -m scripts.keys`.

The tables of docs/keys.md, and mlphys/cli/keys.txt, which the shell's completion reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from mlphys.config.reference import TOP, Block, Key, blocks, vocabularies
from mlphys.schema.spec import Choice, Entry
from scripts.marked_tables import ROOT, write_table

DOCUMENT = ROOT / "docs" / "keys.md"
COMPLETED = ROOT / "mlphys" / "cli" / "keys.txt"
DEEPEST = 5  # parts of a key that is completed
HEAD = "| key | type | default | what it means |\n|---|---|---|---|"
LONGEST = 60  # characters of a type; `mlphys explain` has all of it

TITLES = {
    "dataset": "Datasets",
    "kind of model": "Kinds of model",
    "analysis": "Analyses",
    "step": "Steps of preprocessing",
    "layer": "Layers",
    "model of a class": "Models of a class",
    "sampling": "Sampling of a Boltzmann machine",
    "optimizer": "Optimizers",
    "loss": "Losses",
    "initializer": "Initializers",
    "regularizer": "Regularizers",
    "kernel": "Kernels by formula",
    "schedule": "Schedules of the learning rate",
}


def reference() -> str:
    """All blocks, then all vocabularies; a key that several entries share is listed once, beside all of their names."""
    parts = []
    for block in [block for block in blocks() if not block.name]:
        parts += [f"## {block.dotted or 'The experiment'}", _first(block), keys_table(block.keys)]
    for noun, vocabulary in vocabularies().items():
        entries = [block for block in blocks() if vocabulary.options.get(block.name) is block.spec]
        parts += [f"## {TITLES.get(noun, noun)}", *_vocabulary(entries, isinstance(vocabulary, Entry))]
    return "\n\n".join(part for part in parts if part)


def _vocabulary(entries: Sequence[Block], described_elsewhere: bool) -> Iterator[str]:
    if not described_elsewhere:
        yield "\n".join(f"- `{entry.name}`: {_first(entry)}" for entry in entries)
    owners = dict.fromkeys(key.owner for entry in entries for key in entry.keys)
    for owner in sorted(owners, key=lambda kind: -sum(issubclass(entry.spec, kind) for entry in entries)):
        sharing = {entry.name: key for entry in entries for key in entry.keys if key.owner is owner}
        keys = [key for entry in entries[::-1] for key in entry.keys if key.owner is owner]
        by_name = {key.name: key for key in keys if not key.names_its_block}
        if by_name:
            yield f"Of {', '.join(f'`{name}`' for name in sharing)}:"
            yield keys_table([key for name in owner.model_fields if (key := by_name.get(name))])


def _first(block: Block) -> str:
    return " ".join(block.text.partition("\n\n")[0].split())


def keys_table(keys: Sequence[Key]) -> str:
    """A row for each key."""
    return "\n".join([HEAD, *map(_row, keys)])


def _row(key: Key) -> str:
    kind = key.type if len(key.type) <= LONGEST else f"{key.type[:LONGEST].rpartition(',')[0]}, ..."
    default = f"`{key.default}`" if key.default is not None else "must be given"
    cells = (f"`{key.name}`", kind, default, key.description.sentence)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def settable() -> str:
    """The keys that `--set` takes, a line each, with the values that have names; not those inside of lists."""
    lines: dict[str, list[str]] = {}
    for key in _below(TOP):
        values = lines.setdefault(key.dotted, [])
        values += [value for value in _named_values(key) if value not in values]
    return "".join(f"{' '.join([path, *values])}\n" for path, values in sorted(lines.items()))


def _below(block: Block) -> Iterator[Key]:
    for key in block.keys:
        yield key
        if key.type.startswith(("list", "block of names")) or len(key.path) >= DEEPEST:
            continue
        for part in key.parts:
            named = part.options if isinstance(part, Entry | Choice) else {"": part}
            for name, spec in named.items():
                path = (*key.path, name) if isinstance(part, Choice) else key.path
                yield from _below(Block(path, spec, name))


def _named_values(key: Key) -> list[str]:
    if key.type.startswith("list"):
        return []
    values = [*key.allowed, *_literals(key.field.annotation)]
    return [*values, *(["true", "false"] if key.type.startswith("true or false") else [])]


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
        return
    for inner in get_args(annotation):
        yield from _literals(inner)


if __name__ == "__main__":
    COMPLETED.write_text(settable())
    write_table(DOCUMENT, "keys", reference())
