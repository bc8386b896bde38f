"""What is wrong in a device profile, as texts that say what to write instead. PURE."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ValidationError

from drivers.fault_words import Fault, in_words
from drivers.spelling import meant, nearest

__all__ = ["nearest", "of_section", "of_syntax"]

LINE = re.compile(r"at line (\d+)")
FROM_ELSEWHERE: Mapping[str, str] = {"kind": "power_module"}
"""Choices of a key that other kinds of profile know."""


def of_section(model: type[BaseModel], error: ValidationError) -> Sequence[tuple[str, str]]:
    """(key, what) of each fault. A key that is missing because it is misspelt is told once."""
    keys = [field.alias or name for name, field in model.model_fields.items()]
    faults = error.errors()
    slips = {nearest(str(fault["loc"][0]), keys) for fault in faults if _is_unknown_key(fault)}
    told = [fault for fault in faults if not (fault["type"] == "missing" and fault["loc"][0] in slips)]
    return [(".".join(map(str, fault["loc"])), _text(fault, keys)) for fault in told]


def of_syntax(text: str, error: tomllib.TOMLDecodeError) -> str:
    """The parser's words, the line that it means, and what is mostly wrong with such a line."""
    found = LINE.search(str(error))
    lines = text.splitlines()
    if found is not None and int(found[1]) <= len(lines):
        line = lines[int(found[1]) - 1].strip()
        return f"{error}: {line}{_hint(line)}"
    line = next((line.strip() for line in lines if "text that" in _hint(line)), "")
    return f"{error}: {line}{_hint(line)}" if line else f"{error}: a bracket that is opened is not closed"


def _hint(line: str) -> str:
    for quote in ('"', "'"):
        if line.count(quote) % 2 and (quote == '"' or '"' not in line):
            return f"  <- a text that begins with {quote} does not end with {quote} on this line"
    return "" if "=" in line or line.startswith("[") else "  <- a line is KEY = VALUE, or a [section]"


def _is_unknown_key(fault: Fault) -> bool:
    return bool(fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1)


def _text(fault: Fault, keys: Collection[str]) -> str:
    if fault["type"] == "extra_forbidden":
        return "unknown key" + (meant(str(fault["loc"][0]), keys) if _is_unknown_key(fault) else "")
    if fault["type"] == "literal_error" and ".".join(map(str, fault["loc"])) in FROM_ELSEWHERE:
        return in_words(_with_choice(fault))
    return in_words(fault)


def _with_choice(fault: Fault) -> Fault:
    expected = str(fault["ctx"]["expected"]).replace(" or ", ", ")
    return {**fault, "ctx": {"expected": f"{expected} or '{FROM_ELSEWHERE[str(fault['loc'][-1])]}'"}}
