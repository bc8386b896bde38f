"""Collecting every fault of a configuration, each with its key path."""

from collections.abc import Container, Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from controller.config.fields import ID, IDENTITY, LISTEN, UID
from controller.config.slips import key_meant
from drivers.fault_words import PATTERNS, in_words

UNKNOWN = "extra_forbidden"
Location = tuple[int | str | None, ...]
FORMS = {
    **PATTERNS,
    ID: "must be of letters, digits, _ . and -, begin with a letter or digit, and have at most 48 characters",
    UID: "must be 4 to 10 bytes in hexadecimal, such as 04A1B2C3D4E5F6",
    LISTEN: "must be an address and a port, such as 127.0.0.1:8080",
    IDENTITY: "must be 1 to 48 characters of letters, digits and * - _ = : + | @ .",
}
"""What a text of a form is, by its regular expression."""
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
    faults = error.errors()
    slips = {(*fault["loc"][:-1], key_meant(fault["loc"])) for fault in faults if fault["type"] == UNKNOWN}
    above = {fault["loc"][:depth] for fault in faults for depth in range(1, len(fault["loc"]))}
    told = [fault for fault in faults if not _follows(fault, slips, above)]
    return list(dict.fromkeys(f"{_path(fault['loc'], data)}: {_what(fault)}" for fault in told))


def _follows(fault: ErrorDetails, slips: Container[Location], above: Container[Location]) -> bool:
    """Whether it is there only because of another: a key misspelt is missing, and faulty entries do not count."""
    location = fault["loc"]
    return (fault["type"] == "missing" and location in slips) or (
        fault["type"] == "too_short" and location in above
    )


def _what(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            found = key_meant(fault["loc"])
            return f"unknown key; did you mean `{found}`?" if found else "unknown key; remove it"
        case "missing":
            return "is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            return "its kind is missing or unknown; it must be modbus-rtu, modbus-tcp or can"
        case _:
            return in_words(fault, FORMS)


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
