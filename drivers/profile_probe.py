"""`[[probe]]` of a device profile: what tells at commissioning whether the file, and which reading of it, fits.

A probe reads one register. What it finds must be as expected; where sources disagree, `otherwise` describes the
other readings of the file as changes to it, and the one whose expectation holds is used.
"""

import copy
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from pydantic import Field

from drivers.profile_numbers import Choices, Name, Number, Prefixes, Section

TableName = Literal["holding", "input", "coil", "discrete"]
Tables = Mapping[str, object]
VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
KEYS = ("low", "high", "one_of", "begins", "at_least", "below")


class Expectation(Section):
    """What a value must be; all that is said must hold."""

    low: Number | None = None
    high: Number | None = None
    one_of: Choices | None = None
    begins: Prefixes | None = None
    at_least: str | None = Field(default=None, pattern=rf"^{VERSION.pattern}$")
    below: str | None = Field(default=None, pattern=rf"^{VERSION.pattern}$")

    @property
    def numeric(self) -> bool:
        return self.low is not None or self.high is not None

    @property
    def of_text(self) -> bool:
        return self.begins is not None or self.at_least is not None or self.below is not None

    def fits(self, value: Fraction | str | None) -> bool:
        """Whether a value in the register's unit, or a text, is as expected; None never is."""
        if value is None:
            return False
        if isinstance(value, str):
            return self._fits_text(value)
        in_range = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return in_range and (self.one_of is None or value in self.one_of)

    def _fits_text(self, text: str) -> bool:
        if self.one_of is not None and text not in self.one_of:
            return False
        if self.begins is not None and not text.startswith(self.begins):
            return False
        version = _version(text)
        if self.at_least is not None and (version is None or version < _said(self.at_least)):
            return False
        return self.below is None or (version is not None and version < _said(self.below))


class Otherwise(Expectation):
    """Another reading of the file: what is different in it, and what is expected of it if not the same."""

    says: str = Field(min_length=1)
    usable: bool = True
    address_shift: int = Field(default=0, ge=-0xFFFF, le=0xFFFF)
    tables: Mapping[TableName, TableName] = {}
    modbus: Mapping[str, object] = {}
    registers: Mapping[Name, Mapping[str, object]] = {}

    def applied(self, data: Tables) -> dict[str, object]:
        """The tables of a file, changed; what is no table of registers is left for the rules to refuse."""
        changed = copy.deepcopy(dict(data))
        quirks = changed.get("modbus", {})
        if isinstance(quirks, dict):
            changed["modbus"] = {**quirks, **self.modbus}
        registers = changed.get("registers")
        if isinstance(registers, dict):
            for name, entry in registers.items():
                if isinstance(entry, dict):
                    self._move(entry)
                    entry.update(self.registers.get(name, {}))
        return changed

    def _move(self, entry: dict[str, object]) -> None:
        address, table = entry.get("address"), entry.get("table")
        if isinstance(address, int):
            entry["address"] = address + self.address_shift
        entry["table"] = next((new for old, new in self.tables.items() if old == table), table)


class ProbeTable(Expectation):
    """One probe as the file says it; the expectation is that of the file as it stands."""

    register_: Name = Field(alias="register")
    says: str = Field(min_length=1)
    either: bool = False
    otherwise: tuple[Otherwise, ...] = ()

    def expected_of(self, other: Otherwise) -> Expectation:
        """What that reading must show: its own expectation, or the probe's where it has none."""
        return other if any(getattr(other, key) is not None for key in KEYS) else self


def _version(text: str) -> tuple[int, ...] | None:
    found = VERSION.search(text)
    return None if found is None else _said(found[0])


def _said(version: str) -> tuple[int, ...]:
    """1.2 and 1.2.0 are the same version."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
