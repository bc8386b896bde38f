"""What is wrong in a device profile, as texts that say what to write instead. PURE."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

LINE = re.compile(r"at line (\d+)")
CHOICES = re.compile(r"'([^']*)'")
LIKE = 0.6
"""Likeness from which a word counts as a slip of another."""
FROM_ELSEWHERE: Mapping[str, str] = {"kind": "power_module"}
"""Choices of a key that other kinds of profile know."""

Fault = Mapping[str, Any]


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that was meant, if any."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=LIKE)), None)


def meant(word: str, known: Collection[str], *, form: str = "`{}`") -> str:
    found = nearest(word, known)
    return "" if found is None else f"; did you mean {form.format(found)}?"


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
    if fault["type"] == "missing":
        return "missing"
    if fault["type"] == "model_type":
        return "must be a table"
    if fault["type"] == "literal_error":
        return _choice(fault)
    return str(fault["msg"])


def _choice(fault: Fault) -> str:
    expected = str(fault["ctx"]["expected"])
    if elsewhere := FROM_ELSEWHERE.get(".".join(map(str, fault["loc"]))):
        expected = f"{expected.replace(' or ', ', ')} or '{elsewhere}'"
    said = fault["input"]
    guess = meant(said, CHOICES.findall(expected)) if isinstance(said, str) else ""
    return f"must be {expected}, not {said!r}{guess}"
