"""The kinds of value that occur in a device profile, and the table that refuses every key it does not know.

Exact decimals and fractions, so that a step of 0.1 A is a tenth and no neighbour of it.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

FRACTION = re.compile(r"([0-9]+)/([1-9][0-9]*)")


class Section(BaseModel):
    """A table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


def _decimal(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("number", "must be a number")
    return Decimal(str(value))


def _fraction(value: object) -> Fraction:
    if isinstance(value, str):
        parts = FRACTION.fullmatch(value)
        if parts is None:
            raise PydanticCustomError("number", "must be a number, or a fraction such as '1/167'")
        found = Fraction(int(parts[1]), int(parts[2]))
    else:
        exact = Decimal(str(_decimal(value)))
        found = Fraction(exact) if exact.is_finite() else Fraction(0)
    if found <= 0:
        raise PydanticCustomError("number", "must be above 0")
    return found


def _seconds(value: object) -> object:
    return float(str(_decimal(value)))


def _raw(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _listed(value: object) -> object:
    return tuple(_raw(item) for item in (value if isinstance(value, list) else [value]))


def _texts(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _pause(value: object) -> object:
    if value in ("zero", "disable"):
        return value
    if isinstance(value, str | bool):
        raise PydanticCustomError("pause", PAUSE_HELP)
    return _decimal(value)


PAUSE_HELP = (
    'must be "zero" (write 0), "disable" (write the release register of [enable]), or the current in A that the '
    "device signals as 0"
)
PAUSES = {"anyOf": [{"enum": ["zero", "disable"]}, {"type": "number", "exclusiveMinimum": 0}]}
FRACTIONS = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": FRACTION.pattern}]}


def _or_list(item: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


Number = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": "number"})]
Positive = Annotated[
    Decimal, BeforeValidator(_decimal), Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]
AtLeastZero = Annotated[
    Decimal, BeforeValidator(_decimal), Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})
]
Scale = Annotated[Fraction, BeforeValidator(_fraction), WithJsonSchema(FRACTIONS)]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
RawList = Annotated[
    tuple[int | float, ...], BeforeValidator(_listed), Field(min_length=1), _or_list({"type": "number"})
]
Masks = Annotated[
    tuple[Annotated[int, Field(ge=1, le=0xFFFFFFFF)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    _or_list({"type": "integer"}),
]
Choices = Annotated[
    tuple[int | str, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    _or_list({"type": ["integer", "string"]}),
]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1), _or_list({"type": "string"})]
Pause = Annotated[str | Decimal, BeforeValidator(_pause), WithJsonSchema(PAUSES)]
Unit = Annotated[int, Field(ge=1, le=255)]
Baud = Annotated[int, Field(ge=300, le=4_000_000)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
