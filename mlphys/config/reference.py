"""Reference of the config language: all blocks with their keys, found by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from mlphys.config.experiment import Experiment
from mlphys.errors import UserError
from mlphys.schema.descriptions import Description, describe
from mlphys.schema.document import flow
from mlphys.schema.spec import Choice, Entry, Mentions, Spec
from mlphys.schema.suggestions import suggestion
from mlphys.schema.value_types import in_words

Part = type[Spec] | Choice | Entry  # the values of a key that have keys of their own


@dataclass(frozen=True)
class Key:
    """A key of a block, reached by `path`, such as training.early_stopping.patience; `of` is the block's name."""

    path: tuple[str, ...]
    block: type[Spec]
    of: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def field(self) -> FieldInfo:
        return self.block.model_fields[self.name]

    @property
    def description(self) -> Description:
        return describe(self.block, self.name) or Description("", "")

    @property
    def parts(self) -> tuple[Part, ...]:
        """The blocks and vocabularies below it."""
        return tuple(dict.fromkeys(_parts(self.field.annotation, self.field.metadata)))

    @property
    def names_its_block(self) -> bool:
        """Whether it says which of a vocabulary its block is, as `name` of data does."""
        return get_origin(self.field.annotation) is Literal and get_args(self.field.annotation) == (self.of,)

    @property
    def owner(self) -> type:
        """The class that declares it: what several blocks share has one."""
        return next(kind for kind in self.block.__mro__ if self.name in vars(kind).get("__annotations__", {}))

    @property
    def type(self) -> str:
        """Its type in words, with bounds and allowed values."""
        return "name" if self.names_its_block else in_words(self.field.annotation, self.field.metadata)

    @property
    def default(self) -> str | None:
        """Its default as YAML, None where the key must be given."""
        if self.field.is_required():
            return None
        value = self.field.get_default()
        names = [
            part.names[type(value)] for part in self.parts if isinstance(part, Choice) and type(value) in part.names
        ]
        return names[0] if names else flow({} if isinstance(value, Spec) else self.adapter.dump_python(value))

    @property
    def example(self) -> str:
        """A line of YAML that sets it; the default where the description names no better value."""
        value = self.of if self.names_its_block else self.description.example or self.default
        if value is None:
            value = str(get_args(self.field.annotation)[0])  # the first of a Literal
        return f"{self.name}: {value}"

    @property
    def allowed(self) -> list[str]:
        """The allowed names."""
        named = [part.options for part in self.parts if isinstance(part, Choice | Entry)]
        if self.names_its_block:
            named = [entry.options for entry in vocabularies().values() if entry.options.get(self.of) is self.block]
        return [name for options in named for name in options]

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks a value of this key by itself."""
        annotation: Any = self.field.annotation
        return TypeAdapter(Annotated[annotation, *self.field.metadata] if self.field.metadata else annotation)


@dataclass(frozen=True)
class Block:
    """A block of the config at `path`; `name` is its name where it is one of a vocabulary, such as Conv2D."""

    path: tuple[str, ...]
    spec: type[Spec]
    name: str = ""

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def text(self) -> str:
        return inspect.getdoc(self.spec) or ""

    @property
    def keys(self) -> list[Key]:
        return [Key((*self.path, name), self.spec, self.name) for name in self.spec.key_names()]


TOP = Block((), Experiment)


def first_line(thing: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


@cache
def blocks() -> tuple[Block, ...]:
    """Every block of the config language once, the whole experiment first, each of a vocabulary under its name."""
    known = {spec for vocabulary in vocabularies().values() for spec in vocabulary.options.values()}
    return tuple(block for block in _blocks() if not block.name or block.spec in known)


@cache
def _blocks() -> tuple[Block, ...]:
    """Also those that only the config of a run knows."""
    by_class: dict[type[Spec], Block] = {}
    waiting = [TOP]
    while waiting:
        block = waiting.pop(0)
        if block.spec in by_class:
            continue
        by_class[block.spec] = block
        for key in block.keys:
            waiting += [below for part in key.parts for below in _entries(key, part)]
    return tuple(by_class.values())


def _entries(key: Key, part: Part) -> list[Block]:
    """The blocks below a key. Those of a Choice are used in many places: their path is their name."""
    if isinstance(part, Entry):
        return [Block(key.path, spec, name) for name, spec in part.options.items()]
    if isinstance(part, Choice):
        return [Block((name,), spec, name) for name, spec in part.options.items()]
    return [Block(key.path, part)]


@cache
def vocabularies() -> Mapping[str, Choice | Entry]:
    """What a config can name, such as layers and optimizers, by what messages call one of them."""
    by_noun: dict[str, Choice | Entry] = {}
    for block in _blocks():
        for part in [part for key in block.keys for part in key.parts if isinstance(part, Choice | Entry)]:
            if part.noun not in by_noun or len(part.options) < len(by_noun[part.noun].options):
                by_noun[part.noun] = part
    return by_noun


def look_up(name: str) -> list[Key | Block]:
    """The keys and blocks that a name means: a path from the top, or any name of the config language.

    Raises UserError with the nearest name for one that is not known.
    """
    parts = tuple(part for part in name.split(".") if not part.isdecimal())
    if matches := along(parts):
        return matches
    if parts and (matches := _by_name(parts)):
        return matches
    raise UserError(f"{name}: no such key{_nearest(parts)}; `mlphys list keys` lists them")


def along(parts: tuple[str, ...]) -> list[Key | Block]:
    """The keys and blocks at a path from the top of an experiment; none where it leads nowhere."""
    places: list[Key | Block] = [TOP]
    for part in parts:
        places = [below for place in places for below in _step(place, part)]
    return _distinct(places) if parts else []


def _step(place: Key | Block, name: str) -> Iterator[Key | Block]:
    """The key, or the entry of a vocabulary, called `name` below a place."""
    if isinstance(place, Block):
        if name in place.spec.model_fields:
            yield Key((*place.path, name), place.spec, place.name)
        return
    for part in place.parts:
        if isinstance(part, Choice | Entry):
            spec = part.find(name)
            if spec is not None:
                yield Block((*place.path, part.names[spec]), spec, part.names[spec])
            elif isinstance(part, Entry):
                yield from (
                    Key((*place.path, name), spec, entry)
                    for entry, spec in part.options.items()
                    if name in spec.model_fields
                )
        elif name in part.model_fields:
            yield Key((*place.path, name), part)


def _by_name(parts: tuple[str, ...]) -> list[Key | Block]:
    """All keys and blocks of this name, anywhere: `Conv2D`, `Conv2D.filters`, `patience`."""
    places: list[Key | Block] = []
    for vocabulary in vocabularies().values():
        spec = vocabulary.find(parts[0])
        places += [block for block in blocks() if block.spec is spec]
    for part in parts[1:]:
        places = [below for place in places for below in _step(place, part)]
    return _distinct([*places, *(key for key in every_key() if key.path[-len(parts) :] == parts)])


def every_key() -> Iterator[Key]:
    """Each key of each block."""
    for block in blocks():
        yield from block.keys


def distinct_keys() -> list[Key]:
    """Each key at its first place; keys that several blocks share are listed once."""
    keys: dict[tuple[type, str], Key] = {}
    for key in every_key():
        if not key.names_its_block or key.path not in {other.path for other in keys.values()}:
            keys.setdefault((key.owner, key.name), key)
    return list(keys.values())


def path_of(name: str) -> str | None:
    """The path of a key that every experiment has, by its path or its last part; None if there is none."""
    named = [key.dotted for block in blocks() if not block.name for key in block.keys]
    ending = [path for path in named if path == name or path.endswith(f".{name}")]
    return min(ending, key=len) if ending else None


def _distinct(places: list[Key | Block]) -> list[Key | Block]:
    """Without repetitions: a key that many datasets share is listed once."""
    distinct: dict[Any, Key | Block] = {}
    for place in places:
        same = (place.name, place.description, place.type, place.default) if isinstance(place, Key) else place.spec
        distinct.setdefault(same, place)
    return list(distinct.values())


def _nearest(parts: tuple[str, ...]) -> str:
    """A hint for the first part of a path that leads nowhere."""
    places: list[Key | Block] = [TOP]
    for i, part in enumerate(parts):
        below = [child for place in places for child in _step(place, part)]
        if not below:
            names = sorted({name for place in places for name in _names(place)})
            near = suggestion(part, names)
            known = sorted({key.name for key in every_key()} | {block.name for block in blocks()} - {""})
            where = f" in {'.'.join(parts[:i])}" if i else ""
            return f"{where}{near or suggestion(part, known)}"
        places = below
    return ""


def _names(place: Key | Block) -> Iterator[str]:
    """The names that can follow a place in a path."""
    if isinstance(place, Block):
        yield from place.spec.model_fields
        return
    for part in place.parts:
        if isinstance(part, Choice | Entry):
            yield from part.options
        if isinstance(part, Entry):
            yield from (name for spec in part.options.values() for name in spec.model_fields)
        elif isinstance(part, type):
            yield from part.model_fields


def _parts(annotation: Any, metadata: Any) -> Iterator[Part]:
    for mark in metadata:
        if isinstance(mark, Choice | Entry):
            yield mark
            return
        if isinstance(mark, Mentions):
            yield mark.choice
            return
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    elif hasattr(annotation, "__metadata__"):
        yield from _parts(get_args(annotation)[0], annotation.__metadata__)
    else:
        for inner in get_args(annotation):
            yield from _parts(inner, ())
