"""Rules of the registers of a device profile. PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from drivers.profile_schema import MEASURED, TARGETS, ModbusQuirks, Register
from drivers.rules.draft import Draft

EXPECTED_UNITS: Mapping[str, str] = {
    **{f"current_l{n}": "A" for n in (1, 2, 3)},
    **{f"voltage_l{n}": "V" for n in (1, 2, 3)},
    **{f"active_power_l{n}": "W" for n in (1, 2, 3)},
    "active_power_total": "W",
    "active_power_export_total": "W",
    "energy_import_total": "Wh",
    "energy_export_total": "Wh",
    "current_limit": "A",
    "current_limit_readback": "A",
    "failsafe_current": "A",
    "failsafe_current_readback": "A",
    "comm_timeout": "s",
    "comm_timeout_readback": "s",
    "comm_remaining": "s",
    **dict.fromkeys(("target_voltage", "voltage_dc", "limit_voltage", "delivered_voltage"), "V"),
    **dict.fromkeys(("target_current", "current_dc", "limit_current", "delivered_current"), "A"),
    "limit_power": "W",
    "soc": "%",
}
WRITTEN = frozenset(
    {
        *("current_limit", "failsafe_current", "comm_timeout", "limit_power", "limit_voltage", "limit_current"),
        *("delivered_voltage", "delivered_current"),
    }
)
"""Quantities that need not be readable."""
PROTECTIVE = frozenset({"rcd", "rccb", "gfci", "residual", "diode", "pp", "insulation"})
"""Words in the name of a register that belongs to a protective function (R11)."""
READABLE = frozenset(name for name in EXPECTED_UNITS if name not in WRITTEN) | {
    "status",
    "plug",
    "error_code",
    "rfid_tag",
    "plug_counter",
    "enable_readback",
}

METERED = (
    *(f"current_l{n}" for n in (1, 2, 3)),
    *(f"active_power_l{n}" for n in (1, 2, 3)),
    *("active_power_total", "active_power_export_total"),
)
"""Without these there is no meter reading."""
STEERED_BY = frozenset(METERED) | {
    *("current_limit", "current_limit_readback", "rfid_tag", "plug_counter"),
    *("energy_import_total", *TARGETS, *MEASURED),
}
"""What the controller acts on or bills by at once, so that a value that is up to 10 s old is of no use."""


def problems(draft: Draft) -> Iterator[str]:
    needed = METERED if draft.identity is not None and draft.identity.kind == "meter" else ()
    for name, register in draft.registers.items():
        faults = (*_form(register), *_writing(register), *_quantity(register), *_range(register), *_bits(register))
        for fault in (*faults, *_exponent(draft, register)):
            yield f"registers.{name}.{fault}"
        if name in STEERED_BY:
            yield from polling(draft, name, needed=name in needed)
    yield from _blocks(draft)
    yield from _overlaps(draft)


def polling(draft: Draft, name: str | None, *, needed: bool) -> Iterator[str]:
    """The fault of a register that must not be read more seldom than at each poll; if `needed` it must be read."""
    register = draft.registers.get(name or "")
    if register is not None and (register.poll == "slow" or (needed and register.poll != "fast")):
        yield f"registers.{name}.class: must be fast"


def carries(register: Register, raw: float) -> bool:
    """Whether the register can hold the raw value."""
    low, high = register.raw_limits
    return isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high


def is_raw(register: Register, text: str) -> bool:
    """Whether the text is a raw value of the register as it is written in a profile."""
    try:
        raw = int(text)
    except ValueError:
        return False
    return str(raw) == text and carries(register, raw)


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


def _writing(register: Register) -> Iterator[str]:
    if not register.writable:
        if register.write_fc is not None:
            yield "write_fc: the register is not writable (access)"
        return
    if register.table in ("input", "discrete"):
        yield f"access: table {register.table} cannot be written"
    elif register.write_fc is None:
        yield f"write_fc: missing, the register is writable: {_functions(register)}"
    elif (register.write_fc == 5) != (register.table == "coil"):
        yield f"write_fc: {register.write_fc} does not fit table {register.table}"
    elif register.write_fc == 6 and register.width > 1:
        yield f"write_fc: 6 writes one register, {register.type} has {register.width}"
    if PROTECTIVE & set(register.name.split("_")):
        yield "access: a protective function is never writable (R11)"


def _functions(register: Register) -> str:
    if register.table == "coil":
        return "5 for a coil"
    if register.width > 1:
        return f"16 for {register.width} registers"
    return "6 or 16; where no source says which, that of its neighbours, else 16, and a note that says so"


def _quantity(register: Register) -> Iterator[str]:
    expected = EXPECTED_UNITS.get(register.name)
    if register.unit is None and expected is not None:
        yield f"unit: missing, must be {expected}"
    elif register.unit is None and register.scale != 1:
        yield "unit: missing, a number with a scale is a quantity"
    elif expected not in (None, register.unit):
        yield f"unit: must be {expected}, not {register.unit}"
    if not register.is_number:
        for key in ("unit", "low", "high"):
            if getattr(register, key) is not None:
                yield f"{key}: is not for type {register.type}"
        if expected is not None:
            yield f"type: {register.type} is no number"


def _bits(register: Register) -> Iterator[str]:
    """Rules of the keys that say how a value lies in its words."""
    for mask in register.mask or ():
        if register.type not in ("u16", "u32"):
            yield f"mask: is not for type {register.type}"
        elif not carries(register, mask):
            yield f"mask: {mask} does not fit type {register.type}"
    if register.mask is not None and register.writable:
        yield "mask: is not for what is written"
    if register.repeat > 1 and not register.is_number:
        yield f"repeat: is not for type {register.type}"
    if register.type in ("t5", "t6") and register.writable:
        yield f"type: {register.type} is not written"


def _exponent(draft: Draft, register: Register) -> Iterator[str]:
    """A number may have its power of ten in another register, where both are read together."""
    if register.exponent is None:
        return
    other = draft.registers.get(register.exponent)
    if register.exponent not in draft.named:
        yield f"exponent: no register {register.exponent}"
    elif other is not None and not (other.is_integer and other.poll == register.poll and other.scale == 1):
        yield f"exponent: {register.exponent} must be a plain whole number of class {register.poll}"
    if not register.is_integer or register.writable or (draft.identity and draft.identity.kind != "meter"):
        yield "exponent: is for whole numbers that a meter shows"


def _range(register: Register) -> Iterator[str]:
    low, high = register.low, register.high
    if low is not None and high is not None and low > high:
        yield f"low: {low} is above high {high}"
    for raw in register.sentinel or ():
        if register.is_integer and not carries(register, raw):
            yield f"sentinel: {raw} does not fit type {register.type}"
    if register.is_integer or register.type == "bool":
        for text in register.values or ():
            if not is_raw(register, text):
                yield f"values.{text}: is no raw value of type {register.type}"


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
