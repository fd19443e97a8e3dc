"""Blanks of an exercise: values of a config that are to be filled in, written ???."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlphys.config.reference import Block, Key, along, first_line, look_up
from mlphys.errors import Refusal, UserError
from mlphys.schema.document import BLANK, Document, KeyPath, dotted
from mlphys.schema.messages import complain
from mlphys.schema.spec import Spec
from mlphys.schema.suggestions import listed

MOST_EXPLAINED = 5  # of more only the types are said, so that each is named


@dataclass(frozen=True)
class Meaning:
    """What a key means and takes, in words; `key` is what `mlphys explain` takes, `example` a line of YAML."""

    key: str
    sentence: str
    type: str
    default: str | None = None
    allowed: tuple[str, ...] = ()
    example: str = ""


def blanks(document: Document) -> list[KeyPath]:
    """The keys whose values are blank, in the order of the document."""
    return list(_blank(document.data, ()))


def _blank(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _blank(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _blank(inner, (*path, i))
    elif value == BLANK:
        yield path


def require_filled(document: Document) -> None:
    """Raise UserError for a document with blanks: a line for each, with its place, its meaning and its type."""
    if open_keys := blanks(document):
        with_meaning = len(open_keys) <= MOST_EXPLAINED
        error = complain([Refusal(path, _text(path, document, with_meaning)) for path in open_keys], document)
        raise UserError(f"{error}\n`mlphys explain KEY` says more of a key")


def _text(path: KeyPath, document: Document, with_meaning: bool) -> str:
    try:
        key = meaning(path, document)
    except UserError as error:
        return f"{BLANK} is a blank, but {error}"
    what = f": {key.sentence.rstrip('.')}" if key.sentence and with_meaning else ""
    example = f", such as {key.example}" if key.example else ""
    return f"{BLANK} is a blank, to be filled in{what}; expected {key.type}{example}"


def meaning(path: KeyPath, document: Document) -> Meaning:
    """What belongs at a key of a document. Raises UserError for a key that is not known there."""
    names = tuple(part for part in path if isinstance(part, str))
    if not names:
        return Meaning("name", "the whole experiment", "a block with the keys data and model")
    places = along(names)
    if not places:
        return _named_freely(names)
    place = _chosen(places, document)
    if isinstance(place, Block):
        return Meaning(place.name or place.dotted, first_line(place.spec), _type_of_block(place.spec))
    entry = isinstance(path[-1], int)
    sentence, kind = place.description.sentence, f"an entry of the {place.type}" if entry else place.type
    return Meaning(place.dotted, sentence, kind, place.default, tuple(place.allowed), "" if entry else place.example)


def _named_freely(names: tuple[str, ...]) -> Meaning:
    """Of a key below one whose keys have names of the user's own, such as expect."""
    for length in range(len(names) - 1, 0, -1):
        for place in along(names[:length]):
            if isinstance(place, Key) and place.type.startswith("block of names, each: "):
                kind = place.type.removeprefix("block of names, each: ")
                return Meaning(place.dotted, place.description.sentence, kind)
    match = look_up(dotted(names))[0]
    raise UserError(f"{dotted(names)}: no such key; did you mean {match.dotted}?")


def _chosen(places: list[Key | Block], document: Document) -> Key | Block:
    """Of keys that several datasets or kinds of model have, that of the document's own."""
    data, model = (document.data.get(block) for block in ("data", "model"))
    names = {block.get(key) for block, key in ((data, "name"), (model, "kind")) if isinstance(block, dict)}
    return next((place for place in places if isinstance(place, Key) and place.of in names), places[0])


def _type_of_block(spec: type[Spec]) -> str:
    return f"a block of keys: {listed(spec.key_names())}" if spec.model_fields else "no value"
