"""Rules of a device profile that concern more than one key. PURE: a draft in, texts `key: what` out.

A section that is broken in itself is None in the draft but stays in `given` (a register in `named`), so that
its own fault is not reported a second time as its absence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from drivers.profile_schema import (
    AsciiFormat,
    CurrentSetpoint,
    Identity,
    ModbusQuirks,
    Register,
    Release,
    RtuDefaults,
    SerialDefaults,
    StateMap,
    TagRules,
    TcpDefaults,
    Watchdog,
)

EXPECTED_UNITS: Mapping[str, str] = {
    **{f"current_l{n}": "A" for n in (1, 2, 3)},
    **{f"voltage_l{n}": "V" for n in (1, 2, 3)},
    **{f"active_power_l{n}": "W" for n in (1, 2, 3)},
    "active_power_total": "W",
    "energy_import_total": "Wh",
    "energy_export_total": "Wh",
    "current_limit": "A",
    "current_limit_readback": "A",
    "failsafe_current": "A",
    "failsafe_current_readback": "A",
    "comm_timeout": "s",
    "comm_timeout_readback": "s",
}
PROTECTIVE = frozenset({"rcd", "rccb", "gfci", "residual", "diode", "pp", "insulation"})
"""Words in the name of a register that belongs to a protective function (R11)."""
CHARGER_ONLY = ("state", "setpoint", "enable", "watchdog", "commission", "tag")
MODBUS_ONLY = ("tcp", "rtu", "modbus", "registers")
READER_ONLY = ("serial", "ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be read of a file."""

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
    tag: TagRules | None = None
    serial: SerialDefaults | None = None
    ascii: AsciiFormat | None = None


def problems(draft: Draft) -> Iterator[str]:
    yield from _kind(draft)
    for name, register in draft.registers.items():
        for fault in (*_form(register), *_writing(register), *_quantity(register), *_range(register)):
            yield f"registers.{name}.{fault}"
    yield from _blocks(draft)
    yield from _overlaps(draft)
    yield from _state(draft)
    yield from _setpoint(draft)
    yield from _enable(draft)
    yield from _watchdog(draft)
    yield from _commission(draft)


def _kind(draft: Draft) -> Iterator[str]:
    if draft.identity is None:
        return
    kind, driver = draft.identity.kind, draft.identity.driver
    if (driver == "modbus") == (kind == "reader"):
        yield f"driver: {driver} does not fit kind {kind}"
    foreign = {
        "charger": READER_ONLY,
        "meter": (*READER_ONLY, *CHARGER_ONLY),
        "reader": (*MODBUS_ONLY, *CHARGER_ONLY),
    }
    for section in foreign[kind]:
        if section in draft.given:
            yield f"{section}: is not for kind {kind}"
    if draft.identity.repeat_s is not None and kind != "reader":
        yield f"repeat_s: is not for kind {kind}"
    if kind == "reader":
        yield from _reader(draft, driver)
    else:
        yield from _modbus(draft, kind)


def _reader(draft: Draft, driver: str) -> Iterator[str]:
    if "serial" not in draft.given:
        yield "serial: missing"
    if driver == "ascii-line" and "ascii" not in draft.given:
        yield "ascii: missing"
    if driver != "ascii-line" and "ascii" in draft.given:
        yield f"ascii: is not for driver {driver}"


def _modbus(draft: Draft, kind: str) -> Iterator[str]:
    if not {"tcp", "rtu"} & draft.given:
        yield "rtu: missing, and tcp too"
    if kind == "meter":
        yield from _polled(draft)
    needed = "current_limit" if kind == "charger" else "current_l1"
    if needed not in draft.named:
        yield f"registers.{needed}: missing"
    if kind == "meter" and not {"active_power_total", "active_power_l1"} & draft.named:
        yield "registers.active_power_total: missing, and active_power_l1 too"
    if kind == "charger":
        yield from (f"{section}: missing" for section in ("state", "setpoint") if section not in draft.given)


def _polled(draft: Draft) -> Iterator[str]:
    for name in ("current_l1", "current_l2", "current_l3", "active_power_total"):
        register = draft.registers.get(name)
        if register is not None and register.poll not in ("fast", "slow"):
            yield f"registers.{name}.class: must be fast, a meter reading needs it"


def _form(register: Register) -> Iterator[str]:
    bits = register.table in ("coil", "discrete")
    if bits and register.type != "bool":
        yield f"type: {register.type} does not fit table {register.table}"
    if register.is_text == (register.count is None):
        yield "count: " + ("missing" if register.is_text else f"is not for type {register.type}")
    if register.poll != "never" and not register.readable:
        yield "class: cannot be read (access)"
    if register.name in READABLE and not register.readable:
        yield "access: must be readable"
    if register.is_text and register.sentinel is not None:
        yield f"sentinel: is not for type {register.type}"


READABLE = frozenset(
    name for name in EXPECTED_UNITS if name not in ("current_limit", "failsafe_current", "comm_timeout")
) | {"status", "plug", "error_code", "rfid_tag", "plug_counter", "enable_readback"}


def _writing(register: Register) -> Iterator[str]:
    if not register.writable:
        if register.write_fc is not None:
            yield "write_fc: the register is not writable (access)"
        return
    if register.table in ("input", "discrete"):
        yield f"access: table {register.table} cannot be written"
    elif register.write_fc is None:
        yield "write_fc: missing, the register is writable"
    elif (register.write_fc == 5) != (register.table == "coil"):
        yield f"write_fc: {register.write_fc} does not fit table {register.table}"
    elif register.write_fc == 6 and register.width > 1:
        yield f"write_fc: 6 writes one register, {register.type} has {register.width}"
    if PROTECTIVE & set(register.name.split("_")):
        yield "access: a protective function is never writable (R11)"


def _quantity(register: Register) -> Iterator[str]:
    expected = EXPECTED_UNITS.get(register.name)
    if register.unit is None and expected is not None:
        yield f"unit: missing, must be {expected}"
    elif register.unit is None and register.scale != 1:
        yield "unit: missing, a number with a scale is a quantity"
    elif expected not in (None, register.unit):
        yield f"unit: must be {expected}, not {register.unit}"
    if not (register.is_integer or register.type.startswith("float")):
        for key in ("unit", "low", "high"):
            if getattr(register, key) is not None:
                yield f"{key}: is not for type {register.type}"
        if expected is not None:
            yield f"type: {register.type} is no number"


def _range(register: Register) -> Iterator[str]:
    low, high = register.low, register.high
    if low is not None and high is not None and low > high:
        yield f"low: {low} is above high {high}"
    for raw in register.sentinel or ():
        if register.is_integer and not _carries(register, raw):
            yield f"sentinel: {raw} does not fit type {register.type}"
    if register.is_integer or register.type == "bool":
        for text in register.values or ():
            if not _is_raw(register, text):
                yield f"values.{text}: is no raw value of type {register.type}"


def _carries(register: Register, raw: float) -> bool:
    low, high = register.raw_limits
    return isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high


def _is_raw(register: Register, text: str) -> bool:
    try:
        raw = int(text)
    except ValueError:
        return False
    return str(raw) == text and _carries(register, raw)


def _blocks(draft: Draft) -> Iterator[str]:
    modbus = draft.modbus or ModbusQuirks()
    for register in draft.registers.values():
        if register.readable and register.width > modbus.max_block:
            yield f"registers.{register.name}: longer than modbus.max_block {modbus.max_block}"
    for name in modbus.global_registers:
        if name not in draft.named:
            yield f"modbus.global_registers: no register {name}"
    if modbus.outlets > 1 and modbus.outlet_offset == 0:
        yield "modbus.outlet_offset: missing, there are several outlets"
    if modbus.outlets == 1 and modbus.outlet_offset > 0:
        yield "modbus.outlets: missing, there is an outlet_offset"


def _spans(draft: Draft) -> Iterator[tuple[str, Register, int]]:
    """Every register of every outlet with its address on the wire."""
    modbus = draft.modbus or ModbusQuirks()
    for name, register in draft.registers.items():
        yield name, register, register.address
        if name not in modbus.global_registers and modbus.outlet_offset > 0:
            for outlet in range(2, modbus.outlets + 1):
                shifted = register.address + modbus.outlet_offset * (outlet - 1)
                yield f"{name} of outlet {outlet}", register, shifted


def _overlaps(draft: Draft) -> Iterator[str]:
    spans = sorted(_spans(draft), key=lambda span: (span[1].table, span[2]))
    for label, register, address in spans:
        if address + register.width > 0x10000:
            yield f"registers.{register.name}.address: {label} ends beyond 65535"
    for (one, first, start), (other, second, begin) in combinations(spans, 2):
        if first.table == second.table and begin < start + first.width and start < begin + second.width:
            yield f"registers.{second.name}.address: {other} overlaps {one}"


def _refer(draft: Draft, key: str, name: str | None) -> Iterator[str]:
    if name is not None and name not in draft.named:
        yield f"{key}: no register {name}"


def _state(draft: Draft) -> Iterator[str]:
    state = draft.state
    if state is None:
        return
    yield from _refer(draft, "state.register", state.register_)
    yield from _refer(draft, "state.plug_register", state.plug_register)
    register = draft.registers.get(state.register_)
    if register is not None:
        yield from _state_keys(state, register)
    if not state.values:
        yield "state.values: empty"
    yield from _plug(draft, state)


def _plug(draft: Draft, state: StateMap) -> Iterator[str]:
    if "plug" in state.values.values() and state.plug_register is None:
        yield "state.plug_register: missing, a state says `plug`"
    if (state.plug_register is None) != (state.plugged is None):
        yield "state.plugged: goes together with plug_register"
    plug = draft.registers.get(state.plug_register or "")
    if plug is None:
        return
    if plug.poll not in ("fast", "slow"):
        yield f"registers.{plug.name}.class: must be fast, the plug comes from it"
    for raw in state.plugged or ():
        if not _carries(plug, raw):
            yield f"state.plugged: {raw} is no raw value of {plug.name}"


def _state_keys(state: StateMap, register: Register) -> Iterator[str]:
    if register.poll not in ("fast", "slow"):
        yield f"registers.{register.name}.class: must be fast, the state comes from it"
    if register.is_text:
        yield from (f"state.values.{text}: has outer spaces" for text in state.values if text != text.strip())
        return
    for text in state.values:
        if not _is_raw(register, text):
            yield f"state.values.{text}: is no raw value of {register.name}"


def _setpoint(draft: Draft) -> Iterator[str]:
    setpoint = draft.setpoint
    if setpoint is None:
        return
    if setpoint.min_a > setpoint.max_a:
        yield f"setpoint.min_a: {setpoint.min_a} is above max_a {setpoint.max_a}"
    for key in ("min_a", "max_a", "step_a", "power_up_a"):
        amperes = getattr(setpoint, key)
        if amperes is not None and amperes * 1000 % 1:
            yield f"setpoint.{key}: {amperes} is no whole number of mA"
    if isinstance(setpoint.pause, Decimal) and not 0 < setpoint.pause < setpoint.min_a:
        yield f"setpoint.pause: {setpoint.pause} must lie between 0 and min_a"
    if setpoint.pause == "disable" and "enable" not in draft.given:
        yield "setpoint.pause: `disable` needs the section enable"
    limit = draft.registers.get("current_limit")
    if limit is not None:
        yield from _limit(setpoint, limit)


def _limit(setpoint: CurrentSetpoint, limit: Register) -> Iterator[str]:
    if not limit.writable:
        yield "registers.current_limit.access: must be writable"
    amperes = {"min_a": setpoint.min_a, "max_a": setpoint.max_a, "step_a": setpoint.step_a}
    if isinstance(setpoint.pause, Decimal):
        amperes["pause"] = setpoint.pause
    for key, value in amperes.items():
        raw = value / limit.scale
        if limit.is_integer and raw % 1:
            yield f"setpoint.{key}: {value} is not on the register's grid of {limit.scale}"
        elif limit.is_integer and not _carries(limit, int(raw)):
            yield f"setpoint.{key}: {value} does not fit type {limit.type}"


def _enable(draft: Draft) -> Iterator[str]:
    enable = draft.enable
    if enable is None:
        return
    yield from _refer(draft, "enable.register", enable.register_)
    yield from _refer(draft, "enable.readback", enable.readback)
    if enable.on == enable.off:
        yield "enable.off: equals enable.on"
    register = draft.registers.get(enable.register_)
    if register is not None:
        if not register.writable:
            yield f"enable.register: {enable.register_} is not writable"
        for key, raw in (("on", enable.on), ("off", enable.off)):
            if not _carries(register, raw):
                yield f"enable.{key}: {raw} is no raw value of {enable.register_}"
    readback = draft.registers.get(enable.readback or "")
    if readback is not None and not readback.readable:
        yield f"enable.readback: {enable.readback} cannot be read"


def _watchdog(draft: Draft) -> Iterator[str]:
    watchdog = draft.watchdog
    if watchdog is None:
        return
    low, high = watchdog.timeout_min_s, watchdog.timeout_max_s
    if low is not None and high is not None and low > high:
        yield f"watchdog.timeout_min_s: {low} is above timeout_max_s {high}"
    if watchdog.fixed and watchdog.timeout_s is None:
        yield "watchdog.timeout_s: missing, the timeout is fixed"
    for name in _written_by(watchdog):
        register = draft.registers.get(name)
        if name not in draft.named or (register is not None and not register.writable):
            yield f"watchdog.method: {watchdog.method} needs a writable register {name}"
    if watchdog.method == "heartbeat" and watchdog.value is None:
        yield "watchdog.value: missing"
    heartbeat = draft.registers.get("heartbeat")
    if heartbeat is not None and watchdog.value is not None and not _carries(heartbeat, watchdog.value):
        yield f"watchdog.value: {watchdog.value} is no raw value of heartbeat"


def _written_by(watchdog: Watchdog) -> Iterator[str]:
    if watchdog.method == "heartbeat":
        yield "heartbeat"
    if watchdog.method == "rewrite" or not watchdog.fixed:
        yield "comm_timeout"


def _commission(draft: Draft) -> Iterator[str]:
    for name, raw in draft.commission.items():
        yield from _refer(draft, f"commission.{name}", name)
        register = draft.registers.get(name)
        if register is None:
            continue
        if not (register.readable and register.writable):
            yield f"commission.{name}: must be readable and writable"
        elif not _carries(register, raw):
            yield f"commission.{name}: {raw} does not fit type {register.type}"
    if draft.tag is not None and "rfid_tag" not in draft.named:
        yield "tag: there is no register rfid_tag"
