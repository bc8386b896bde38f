"""What a key of site.toml can hold: the types that its tables are made of."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$"
LISTEN = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"
UID = r"^([0-9A-F]{2}){4,10}$"
IDENTITY = r"^[A-Za-z0-9*\-_=:+|@.]{1,48}$"

Id = Annotated[str, Field(pattern=ID)]
"""Appears in logs, metrics and topics; never reused (R21)."""

Whole = Annotated[int, Strict()]
"""Without Strict, `true` would be a number, "yes" a switch and "16" an ampere."""
Number = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]


def _decimal(value: object) -> object:
    """Amperes are decimals: 0.1 + 0.2 must not matter to a fuse."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("amperes", "must be a number of amperes, without quotes")
    return Decimal(str(value))


def plain(value: object) -> object:
    """The same for numbers of any other unit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "must be a number, without quotes")
    return Decimal(str(value))


def _three(value: object) -> object:
    """One value stands for all three phases."""
    return value if isinstance(value, list | tuple) else [value, value, value]


Amperes = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=10_000)]
PerPhase = Annotated[tuple[Amperes, Amperes, Amperes], BeforeValidator(_three)]
Plain = Annotated[Decimal, BeforeValidator(plain), Field(allow_inf_nan=False)]
Seconds = Annotated[Number, Field(gt=0, le=3600)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)
