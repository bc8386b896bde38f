"""The part of a faulty site.toml that is sound in shape, so that its other faults can be listed as well."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from controller.config.problems import name_of

SITE = {"id": "site", "name": "site", "supply": "three-phase-star", "state_dir": "state"}
"""Stands in for what is missing or faulty in [site]; nothing else depends on it."""
MODULES = "power modules"
ROOT = "the grid connection"
Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Remainder:
    """`data` without the faulty entries; `left_out` are their table's and their own names."""

    data: Mapping[str, object]
    left_out: frozenset[tuple[str, str]]

    def explains(self, problem: str) -> bool:
        """Whether a problem found in the rest only follows from what was left out."""
        if ("csms", "") in self.left_out and "csms" in problem.casefold():
            return True
        if ("site.billed_by", "") in self.left_out and ".billed_by: " in problem:
            return True  # who bills by default is not known
        if any(table == "circuits" for table, _ in self.left_out) and ROOT in problem:
            return True
        if any(table == "power_modules" for table, _ in self.left_out) and MODULES in problem.replace("_", " "):
            return True  # an outlet that nothing feeds, a CAN bus that nobody uses
        return any(
            f"{name!r}" in problem
            or f"[{name}]" in problem
            or problem.startswith(f"{table}:")
            # an outlet is named without quotes
            or (table == "evses" and problem.endswith(f" outlet {name}"))
            for table, name in self.left_out
        )


def sound_part(data: Mapping[str, object], error: ValidationError) -> Remainder:
    """Leave out unknown keys, each list entry that has a fault of shape, and each other table that has one."""
    rest = copy.deepcopy(dict(data))
    faulty: dict[str, set[int]] = {}
    for fault in error.errors():
        table, *inner = fault["loc"]
        if fault["type"] == "extra_forbidden" or table == "site":
            _forget(rest, fault["loc"])
            continue
        places = faulty.setdefault(str(table), set())
        if inner and isinstance(inner[0], int):
            places.add(inner[0])
    kept = {key: _without(value, faulty.get(key)) for key, value in rest.items()}
    site = kept.get("site")
    kept["site"] = {**SITE, **site} if isinstance(site, dict) else SITE
    left_out = frozenset(
        (table, name) for table, places in faulty.items() for name in _names(data.get(table), places)
    )
    left_out |= {
        (f"site.{fault['loc'][1]}", "")
        for fault in error.errors()
        if fault["loc"][0] == "site" and fault["loc"][1:]
    }
    return Remainder({key: value for key, value in kept.items() if value is not None}, left_out)


def _forget(rest: dict[str, object], location: Location) -> None:
    """Remove one key; a location also names the kind of a bus, which is no key."""
    inner: object = rest
    for part in location[:-1]:
        match inner, part:
            case list(), int():
                inner = inner[part]
            case dict(), str() if part in inner:
                inner = inner[part]
            case _:
                continue
    if isinstance(inner, dict):
        inner.pop(location[-1], None)


def _without(value: object, places: set[int] | None) -> object:
    """None: nothing of it is sound. A table that is no list goes as a whole."""
    if places is None:
        return value
    if isinstance(value, list) and places:
        return [entry for place, entry in enumerate(value) if place not in places]
    return None


def _names(value: object, places: set[int]) -> list[str]:
    if isinstance(value, list) and places:
        return [name_of(value[place], place) for place in places]
    return [""]
