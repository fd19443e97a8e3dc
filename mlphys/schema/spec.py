"""The base class of config blocks: frozen, strictly typed, without unknown keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from mlphys.schema.descriptions import describe

LARGEST_FLOAT = 1e30  # its square may overflow float32, itself not


class Spec(BaseModel):
    """A block of the config: its fields are the keys, their types the grammar."""

    shorthand: ClassVar[str] = ""  # the key whose value can replace the block in a Choice
    positional: ClassVar[tuple[str, ...]] = ()  # the arguments that Keras takes without their names, in its order

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=(), allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        """Report unknown keys and wrong values, not missing keys, which are usually the same mistake."""
        if isinstance(data, cls):
            return data
        allowed = cls.key_names()
        if not isinstance(data, Mapping):
            raise refuse("keys", data, allowed=allowed)
        unknown = [key for key in data if key not in cls.model_fields]
        if unknown:
            before = dict(zip(data, [("", None), *data.items()], strict=False))
            line_errors = [
                problem("unknown_key", (key,), data[key], {"key": key, "allowed": allowed, "before": before[key]})
                for key in unknown
            ]
            cut = {before[key][0] for key in unknown if data[key] is None}  # by a comma: `learning_rate: 0,01`
            known = {key: value for key, value in data.items() if key in cls.model_fields and key not in cut}
            raise ValidationError.from_exception_data(cls.__name__, [*line_errors, *cls._wrong_values(known)])
        return data

    @classmethod
    def _wrong_values(cls, known: Mapping[str, Any]) -> list[InitErrorDetails]:
        """What is wrong with the values of single keys, whatever else the block needs."""
        try:
            cls.model_validate(known)
        except ValidationError as error:
            errors = [each for each in error.errors(include_url=False) if each["loc"] and each["loc"][0] in known]
            contexts = [dict(each.get("ctx") or {}) for each in errors]
            return [
                InitErrorDetails(
                    type=_as_known(each["type"], context), loc=each["loc"], input=each["input"], ctx=context
                )
                for each, context in zip(errors, contexts, strict=True)
            ]
        return []

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With the meaning of each key, which editors show."""
        schema = handler(core)
        for key, facts in handler.resolve_ref_schema(schema).get("properties", {}).items():
            if description := describe(cls, key):
                facts["description"] = description.sentence
        return schema

    @model_validator(mode="after")
    def _within_float32(self) -> Self:
        """Networks are computed in float32: a larger number would be infinite there."""
        for name, value in self:
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and abs(number) > LARGEST_FLOAT for number in numbers):
                line_errors = [problem("beyond_float32", (name,), value, {"largest": LARGEST_FLOAT})]
                raise ValidationError.from_exception_data(type(self).__name__, line_errors)
        return self

    @classmethod
    def key_names(cls) -> list[str]:
        """The keys, required ones first."""
        return sorted(cls.model_fields, key=lambda name: not cls.model_fields[name].is_required())

    @classmethod
    def takes(cls, key: str, value: Any) -> bool:
        """Whether a key accepts a value, whatever else the block needs."""
        try:
            cls.model_validate({key: value})
        except ValidationError as error:
            return not any(line_error["loc"][:1] == (key,) for line_error in error.errors())
        return True

    @classmethod
    def named(cls, value: Any) -> dict[str, Any]:
        """Values without their keys, each under the first key that takes it; empty where one finds none."""
        order = [*cls.positional, *(key for key in cls.key_names() if key not in cls.positional)]
        arguments: dict[str, Any] = {}
        for item in value if isinstance(value, list) else [value]:
            key = next((key for key in order if key not in arguments and cls.takes(key, item)), None)
            if key is None:
                return {}
            arguments[key] = item
        return arguments

    def arguments(self) -> dict[str, Any]:
        """The fields by name, as objects: what a constructor takes."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def problem(kind: str, path: tuple[str | int, ...], received: Any, context: dict[str, Any]) -> InitErrorDetails:
    """An error in pydantic's form; `messages` has the wording for each kind."""
    return InitErrorDetails(
        type=PydanticCustomError(kind, kind, context),
        loc=path,
        input=received,
    )


def refuse(kind: str, received: Any, **context: Any) -> ValidationError:
    """An error about a whole value."""
    return ValidationError.from_exception_data(kind, [problem(kind, (), received, context)])


def under(key: str | int, check: Callable[[Any], Any], value: Any) -> Any:
    """`check(value)`, with `key` prepended to the path of its errors."""
    try:
        return check(value)
    except ValidationError as error:
        details = []
        for line_error in error.errors(include_url=False):
            context = line_error.get("ctx") or {}
            known = _as_known(line_error["type"], context)
            details.append(
                InitErrorDetails(type=known, loc=(key, *line_error["loc"]), input=line_error["input"], ctx=context)
            )
        raise ValidationError.from_exception_data(error.title, details) from None


def _as_known(kind: str, context: dict[str, Any]) -> Any:
    if kind in _BUILT_IN:
        return kind
    return PydanticCustomError(kind, kind, context)


_BUILT_IN = set(get_args(core_schema.ErrorType))


class Choice:
    """One of a closed list of Specs, by name: `Flatten`, or `{Conv2D: {filters: 8}}`.

    An annotation for a field. `options` maps each name to its Spec; `noun` is its term in
    messages. Keras's lower-case names (`adam`, `categorical_crossentropy`) mean the class
    with its defaults. A Spec with a `shorthand` accepts the value of that key: `{scale: 255}`.
    `aliases` are other names that Keras has for some of them.
    """

    def __init__(self, noun: str, options: Mapping[str, type[Spec]], aliases: Mapping[str, str] | None = None):
        self.noun = noun
        self.options = options
        self.short = {plain(name): name for name in options}
        self.short |= {plain(alias): name for alias, name in (aliases or {}).items()}
        self.names = {spec: name for name, spec in options.items()}

    def find(self, name: Any) -> type[Spec] | None:
        if not isinstance(name, str):
            return None
        return self.options.get(name) or self.options.get(self.short.get(plain(name), ""))

    def validate(self, value: Any) -> Spec:
        if isinstance(value, tuple(self.options.values())):
            return value  # type: ignore[return-value]
        name: Any = value
        arguments: Any = None
        if isinstance(value, dict) and len(value) > 1:
            raise refuse("one_name", value, noun=self.noun, known=[key for key in value if self.find(key)])
        if isinstance(value, dict) and value:
            ((name, arguments),) = value.items()
        spec = self.find(name)
        if spec is None:
            raise refuse("unknown_name", name, noun=self.noun, allowed=list(self.options))
        if arguments is not None and not isinstance(arguments, dict):
            if not spec.shorthand or (isinstance(arguments, list) and not spec.takes(spec.shorthand, arguments)):
                required = [key for key in spec.key_names() if spec.model_fields[key].is_required()]
                context = {"name": self.names[spec], "arguments": spec.named(arguments), "required": required}
                raise ValidationError.from_exception_data(
                    self.noun, [problem("arguments", (name,), arguments, context)]
                )
            arguments = {spec.shorthand: arguments}
        return under(name, spec.model_validate, arguments or {})

    def in_words(self) -> str:
        """The allowed values, for a reference."""
        return f"{self.noun} by name"

    def dump(self, spec: Spec) -> Any:
        values = spec.model_dump()
        arguments = {key: values[key] for key in type(spec).key_names()}
        name = self.names[type(spec)]
        return {name: arguments} if arguments else name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump),
            metadata={"pydantic_js_functions": [self._json_schema]},
        )

    def _json_schema(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shapes: list[dict[str, Any]] = [{"enum": self._bare_names()}]
        for name, spec in self.options.items():
            block = spec.__get_pydantic_json_schema__(spec.__pydantic_core_schema__, handler)
            if spec.shorthand:
                block = {"anyOf": [block, block["properties"][spec.shorthand]]}
            shapes.append(
                {
                    "type": "object",
                    "properties": {name: block},
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        return {"anyOf": shapes}

    def _bare_names(self) -> list[str]:
        complete = [
            name
            for name, spec in self.options.items()
            if not any(field.is_required() for field in spec.model_fields.values())
        ]
        short = {form for name in complete for form in (snake_case(name), name.lower())}
        return [*complete, *sorted(short.difference(complete))]


@dataclass(frozen=True)
class Mentions:
    """An annotation for a field whose own validator reads entries of a Choice: a reference lists them."""

    choice: Choice


class Entry:
    """One of a registry's Specs, named by the key `key`: `{name: mnist, train: 45000}`."""

    def __init__(self, noun: str, key: str, options: Mapping[str, type[Spec]]):
        self.noun = noun
        self.key = key
        self.options = options
        self.names = {spec: name for name, spec in options.items()}

    def find(self, name: Any) -> type[Spec] | None:
        return self.options.get(name)

    def in_words(self) -> str:
        """The allowed values, for a reference."""
        return f"block with the key {self.key}, which names a {self.noun}"

    def validate(self, value: Any) -> Spec:
        if isinstance(value, tuple(self.options.values())):
            return value  # type: ignore[return-value]
        allowed = list(self.options)
        if isinstance(value, str) and value in self.options:
            value = {self.key: value}
        if not isinstance(value, dict):
            raise refuse("block", value, noun=self.noun, example=f"{{{self.key}: {allowed[0]}, ...}}", allowed=allowed)
        if self.key not in value:
            context = {"noun": self.noun, "allowed": allowed, "keys": [str(key) for key in value]}
            raise ValidationError.from_exception_data(self.noun, [problem("no_name", (self.key,), value, context)])
        name = value[self.key]
        if not isinstance(name, str) or name not in self.options:
            raise ValidationError.from_exception_data(
                self.noun,
                [problem("unknown_name", (self.key,), name, {"noun": self.noun, "allowed": allowed})],
            )
        try:
            return self.options[name].model_validate(value)
        except ValidationError as error:
            raise self._with_owners(error) from None

    def _with_owners(self, error: ValidationError) -> ValidationError:
        """The same findings, with the entries of the vocabulary that have an unknown key."""
        details = []
        for line_error in error.errors(include_url=False):
            context = dict(line_error.get("ctx") or {})
            if line_error["type"] == "unknown_key" and len(line_error["loc"]) == 1:
                owners = [name for name, spec in self.options.items() if context["key"] in spec.model_fields]
                context |= {"by": self.key, "elsewhere": owners}
            known = _as_known(line_error["type"], context)
            details.append(InitErrorDetails(type=known, loc=line_error["loc"], input=line_error["input"], ctx=context))
        return ValidationError.from_exception_data(error.title, details)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda spec: spec.model_dump()),
            metadata={"pydantic_js_functions": [self._json_schema]},
        )

    def _json_schema(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        blocks = [
            spec.__get_pydantic_json_schema__(spec.__pydantic_core_schema__, handler) for spec in self.options.values()
        ]
        bare = [
            name
            for name, spec in self.options.items()
            if not any(field.is_required() for key, field in spec.model_fields.items() if key != self.key)
        ]
        return {"anyOf": [*([{"enum": bare}] if bare else []), *blocks]}


def snake_case(name: str) -> str:
    """`CategoricalCrossentropy` as `categorical_crossentropy`, Keras's short name for it."""
    return re.sub(r"([a-z0-9])([A-Z][a-z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name).lower()


def plain(name: str) -> str:
    """A name without what Keras's long and short forms differ in."""
    return name.replace("_", "").lower()
