"""Collecting every fault of a configuration, each with its key path."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

EXIT_CONFIG = 78
"""Exit status for a configuration that cannot work (sysexits.h EX_CONFIG)."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` lists every fault as `key path: what, and what to do`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def of_validation(error: ValidationError, data: Mapping[str, object]) -> list[str]:
    """One line per fault of shape: unknown keys, wrong types, values out of range."""
    return [f"{_path(fault['loc'], data)}: {_what(fault['type'], fault['msg'])}" for fault in error.errors()]


def _what(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def _path(location: tuple[int | str, ...], data: object) -> str:
    """`evses[A3].max_current_a`: list members by their id where they have one, else by their place from 1."""
    text = ""
    for part in location:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
            text += f"[{_name(data, part)}]"
        elif part not in {"modbus-rtu", "modbus-tcp"}:
            data = data.get(part) if isinstance(data, dict) else None
            text += f".{part}" if text else part
    return text


def _name(entry: object, place: int) -> str:
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
