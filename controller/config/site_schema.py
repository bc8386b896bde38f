"""JSON schema of site.toml, for editors: from the same tables that read it.

`site.schema.json` beside this module is its text. What one key means for another is told by `ampyard check` only.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from controller.config.document import (
    ROTATIONS,
    SINGLE_PHASE,
    TWO_PHASE,
    Clock,
    Document,
    EndOfClock,
    EvseTable,
    TokenTable,
)
from controller.config.fields import PerPhase, Table
from controller.config.site_keys import DESCRIPTIONS, EXAMPLES

DIALECT = "http://json-schema.org/draft-07/schema#"
"""What the TOML editors speak."""
FILE = Path(__file__).with_name("site.schema.json")

_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_BEYOND_TYPES: Mapping[type[Table], Mapping[str, JsonSchemaValue]] = {
    TokenTable: {"uid": {"pattern": "^[ :]*(([0-9A-Fa-f][ :]*){2}){4,10}$"}},
    EvseTable: {"rotation": {"enum": list({**ROTATIONS, **TWO_PHASE, **SINGLE_PHASE})}},
}
"""Cards as they may be written, not as they are kept; what is compared elsewhere."""
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_DRAFT_7 = {**_BOUNDS, "prefixItems": "items"}
_NO_HELP = {"title", "format", "discriminator"}


def schema() -> JsonSchemaValue:
    whole = Document.model_json_schema(schema_generator=_AsWritten, ref_template="#/definitions/{model}")
    bodies = {**whole.pop("$defs"), Document.__name__: whole}
    tables = {table.__name__: table for table in tables_of(Document)}
    definitions = {name: _described(table, _draft_7(bodies[name], bodies)) for name, table in tables.items()}
    return {
        "$schema": DIALECT,
        "title": "site.toml of Ampyard",
        "description": "The configuration of one site. `ampyard check FILE` also finds what an editor cannot.",
        **definitions.pop(Document.__name__),
        "definitions": definitions,
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def tables_of(annotation: object) -> Iterator[type[Table]]:
    """The tables that a key may hold, itself, in a list, or one of several, and all below them."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
        for field in annotation.model_fields.values():
            yield from tables_of(field.annotation)
    for part in get_args(annotation):
        yield from tables_of(part)


def told(texts: Mapping[type[Table], Mapping[str, Any]], table: type[Table]) -> dict[str, Any]:
    """What they say of the keys of a table, with those that it has from another."""
    return {key: said for one in reversed(table.__mro__) for key, said in texts.get(one, {}).items()}


class _AsWritten(GenerateJsonSchema):
    """TOML has no null, decimals are numbers there, and a time of day is a text."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number: JsonSchemaValue = {"type": "number"}
        self.update_with_validations(number, schema, self.ValidationsMapping.numeric)
        return number

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        function = schema["function"]["function"]
        if function is _check_of(PerPhase):
            return {"anyOf": [inner["prefixItems"][0], inner]}
        if function is _check_of(Clock):
            return {"type": "string", "pattern": f"^{_TIME}$"}
        if function is _check_of(EndOfClock):
            return {"type": "string", "pattern": f"^({_TIME}|24:00)$"}
        return inner

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without what means that a key or table is not there."""
        found = super().default_schema(schema)
        if found.get("default") is None or isinstance(found["default"], dict):
            found.pop("default", None)
        return found

    def encode_default(self, dft: object) -> object:
        match dft:
            case Decimal():
                return float(dft)
            case tuple():
                return [self.encode_default(one) for one in dft]
            case _:
                return super().encode_default(dft)


def _check_of(annotated: object) -> object:
    """The function of the type's validator."""
    return get_args(annotated)[1].func


def _draft_7(body: JsonSchemaValue, bodies: Mapping[str, JsonSchemaValue]) -> JsonSchemaValue:
    """In the words of the dialect. A reference to what is no table, such as a list of words, is replaced by it."""
    other = bodies.get(body.get("$ref", "").rpartition("/")[2])
    if other is not None and "properties" not in other:
        return _draft_7({**other, **{key: value for key, value in body.items() if key != "$ref"}}, bodies)
    return {
        _DRAFT_7.get(key, key): _value(key, value, bodies) for key, value in body.items() if key not in _NO_HELP
    }


def _value(key: str, value: object, bodies: Mapping[str, JsonSchemaValue]) -> object:
    match value:
        case dict() if key == "properties":
            return {name: _draft_7(one, bodies) for name, one in value.items()}
        case dict():
            return _draft_7(value, bodies)
        case list():
            return [_value("", one, bodies) for one in value]
        case str() if key in _BOUNDS:
            return float(value)  # a decimal, as text
        case float():
            return int(value) if value.is_integer() else value
        case _:
            return value


def _described(table: type[Table], body: JsonSchemaValue) -> JsonSchemaValue:
    descriptions, examples, beyond = (told(texts, table) for texts in (DESCRIPTIONS, EXAMPLES, _BEYOND_TYPES))
    for key, value in body["properties"].items():
        value.update(beyond.get(key, {}))
        value["description"] = descriptions[key]
        if key in examples:
            value["examples"] = list(examples[key])
    return body
