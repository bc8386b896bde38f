"""Collecting every fault of a configuration, each with its key path."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

KINDS_OF_BUS = frozenset({"modbus-rtu", "modbus-tcp", "can"})
"""They name the member of a union in pydantic's paths, and are no keys."""
EXIT_CONFIG = 78
"""Exit status for a configuration that cannot work (sysexits.h EX_CONFIG)."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` lists every fault as `key path: what, and what to do`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def of_validation(error: ValidationError, data: Mapping[str, object]) -> list[str]:
    """One line per fault of shape: unknown keys, wrong types, values out of range."""
    lines = (f"{_path(fault['loc'], data)}: {_what(fault)}" for fault in error.errors())
    return list(dict.fromkeys(lines))


def _what(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown key; remove it or correct its spelling"
        case "missing":
            return "is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            return "its kind is missing or unknown; it must be modbus-rtu, modbus-tcp or can"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a table"
        case "tuple_type":
            return "must be a list, or a list of tables: [[...]]"
        case _:
            return fault["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _path(location: tuple[int | str, ...], data: object) -> str:
    """`evses[A3].max_current_a`: list members by their id where they have one, else by their place from 1."""
    text = ""
    for part in location:
        if isinstance(part, int):
            if not isinstance(data, list):
                break  # one number stands for three phases
            data = data[part] if part < len(data) else None
            text += f"[{name_of(data, part)}]"
        elif part not in KINDS_OF_BUS:
            data = data.get(part) if isinstance(data, dict) else None
            text += f".{part}" if text else part
    return text


def name_of(entry: object, place: int) -> str:
    if isinstance(entry, dict):
        for key in ("id", "uid", "identity"):
            if isinstance(entry.get(key), str):
                return str(entry[key])
    return str(place + 1)


def doubles(names: Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)
