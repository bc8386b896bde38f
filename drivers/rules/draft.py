"""What could be read of a device profile, before it is known to be right."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.profile_probe import ProbeTable
from drivers.profile_schema import (
    AsciiFormat,
    CurrentSetpoint,
    Identity,
    KeepAlive,
    ModbusQuirks,
    Register,
    Release,
    RtuDefaults,
    SerialDefaults,
    StateMap,
    Supply,
    TagRules,
    TcpDefaults,
    Watchdog,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be read of a file.

    A section that is broken in itself is None but stays in `given` (a register in `named`), so that its own fault
    is not reported a second time as its absence.
    """

    identity: Identity | None
    given: frozenset[str]
    """Sections that the file has."""
    named: frozenset[str]
    """Registers that the file has."""
    registers: Mapping[str, Register]
    commission: Mapping[str, int]
    modbus: ModbusQuirks | None = None
    tcp: TcpDefaults | None = None
    rtu: RtuDefaults | None = None
    state: StateMap | None = None
    setpoint: CurrentSetpoint | None = None
    enable: Release | None = None
    watchdog: Watchdog | None = None
    keepalive: KeepAlive | None = None
    tag: TagRules | None = None
    supply: Supply | None = None
    serial: SerialDefaults | None = None
    ascii: AsciiFormat | None = None
    probes: tuple[ProbeTable, ...] = ()
