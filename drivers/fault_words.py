"""What is wrong with a value in a file that somebody wrote by hand, in words for that person. PURE."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from drivers.spelling import meant

CHOICES = re.compile(r"'([^']*)'")
Fault = Mapping[str, Any]
"""One of pydantic's, with `type`, `msg`, `input` and `ctx`."""

_SIMPLE: Mapping[str, str] = {
    "missing": "missing",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "string_type": "must be a text in quotes",
    "path_type": "must be a text in quotes",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list, or a list of tables: [[...]]",
    "string_too_short": "must not be empty",
}
_BARE: Mapping[str, str] = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "decimal_type": "must be a number",
}
"""What is written without quotes."""
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "must be above {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be below {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "string_too_long": ("max_length", "must have at most {} characters"),
}
PATTERNS: Mapping[str, str] = {
    r"^[a-z][a-z0-9_]*$": "must be a name of small letters, digits and _, and begin with a letter",
    r"^[a-z0-9][a-z0-9.-]*$": "must be of small letters, digits, . and -, and begin with a letter or digit",
}


def in_words(fault: Fault, patterns: Mapping[str, str] = PATTERNS) -> str:
    """`patterns`: what texts of a form must be, by their regular expression."""
    kind = str(fault["type"])
    if kind in _BOUNDS:
        key, form = _BOUNDS[kind]
        return form.format(str(fault["ctx"][key]).removesuffix(".0")) + _not_said(fault["input"])
    if kind in _BARE:
        said = fault["input"]
        return _BARE[kind] + (", without quotes" if isinstance(said, str) else _not_said(said))
    special: Mapping[str, Callable[[Fault], str]] = {
        "literal_error": _choice,
        "enum": _choice,
        "string_pattern_mismatch": lambda fault: _form(fault, patterns),
        "too_short": lambda _: "must have at least one entry",
    }
    if kind in special:
        return special[kind](fault)
    return _SIMPLE.get(kind) or str(fault["msg"]).removeprefix("Value error, ")


def _choice(fault: Fault) -> str:
    expected, said = str(fault["ctx"]["expected"]), fault["input"]
    guess = meant(said, CHOICES.findall(expected)) if isinstance(said, str) else ""
    return f"must be {expected}{_not_said(said)}{guess}"


def _form(fault: Fault, patterns: Mapping[str, str]) -> str:
    pattern = fault["ctx"]["pattern"]
    return f"{patterns.get(pattern) or f'must be of the form {pattern}'}{_not_said(fault['input'])}"


def _not_said(value: object) -> str:
    """What stands there instead, where that is short enough to help."""
    if isinstance(value, Decimal | bool):
        return f", not {str(value).lower()}"
    return f", not {value!r}" if isinstance(value, int | float | str) and len(str(value)) < 60 else ""
