"""Write the tables of docs/keys.md from the classes of the config language: `python -m scripts.keys`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlphys.config.reference import Block, Key, blocks, vocabularies
from mlphys.schema.spec import Entry
from scripts.marked_tables import ROOT, write_table

DOCUMENT = ROOT / "docs" / "keys.md"
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
    """All blocks, then all vocabularies; a key that several entries share stands once, beside all of their names."""
    parts = []
    for block in [block for block in blocks() if not block.name]:
        parts += [f"## {block.dotted or 'The experiment'}", _first(block), _table(block.keys)]
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
            yield _table([key for name in owner.model_fields if (key := by_name.get(name))])


def _first(block: Block) -> str:
    return " ".join(block.text.partition("\n\n")[0].split())


def _table(keys: Sequence[Key]) -> str:
    return "\n".join([HEAD, *map(_row, keys)])


def _row(key: Key) -> str:
    kind = key.type if len(key.type) <= LONGEST else f"{key.type[:LONGEST].rpartition(',')[0]}, ..."
    default = f"`{key.default}`" if key.default is not None else "must be given"
    cells = (f"`{key.name}`", kind, default, key.description.sentence)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    write_table(DOCUMENT, "keys", reference())
