"""A device profile in a few lines for people: what the drivers will make of it."""

from collections.abc import Iterator, Sequence

from drivers.can.module_profile import ModuleModel
from drivers.modbus.meter import has_signs
from drivers.profile_kinds import AnyProfile
from drivers.profile_schema import CurrentSetpoint, DeviceProfile, Reading, Supply
from drivers.rules.supply import TOLD
from drivers.setups import Endpoint, Line, Wire

CLASSIC = {"holding": range(40001, 50000), "input": range(30001, 40000)}
"""Register numbers of the old notation, which tells the table by the first digit and counts from 1."""
ROUND = 0x100
"""A multiple of it is an address of the wire: lists count in decimals."""


def lines(profile: AnyProfile) -> tuple[str, ...]:
    """What `profiles check` shows of a file without faults."""
    return tuple(_modules(profile)) if isinstance(profile, ModuleModel) else _device(profile)


def _modules(model: ModuleModel) -> Iterator[str]:
    profile = model.profile
    limits, bounds, off_s = profile.limits, profile.address, profile.timing.switches_off_s
    yield f"{profile.id}: {profile.vendor} {profile.model}, {profile.kind}, confidence {profile.confidence}"
    yield "CAN, " + (f"{profile.can.bitrate} bit/s" if profile.can.bitrate else "bit rate as the modules are set")
    yield f"addresses {bounds.first} to {bounds.last}, at most {bounds.together} work together"
    volts = f"{limits.voltage_min_mv / 1000:g} to {limits.voltage_max_mv / 1000:g} V"
    own = "; what a module tells of itself may be less" if limits.asked else ""
    yield f"each {volts}, {limits.current_ma / 1000:g} A, {limits.power_w} W{own}"
    silent = f"off after {off_s:g} s" if off_s is not None else "unknown, a silent module counts as live for ever"
    yield f"without contact: {silent}"


def _device(profile: DeviceProfile) -> tuple[str, ...]:
    identity = profile.identity
    told = [f"{profile.id}: {identity.vendor} {identity.model}, {profile.kind}, confidence {identity.confidence}"]
    if identity.firmware is not None:
        told.append(f"firmware {identity.firmware}")
    told += _wires(profile)
    if profile.setpoint is not None:
        told += _charger(profile, profile.setpoint)
    if profile.supply is not None:
        told += _secc(profile, profile.supply)
    if profile.kind != "reader":
        told.append(f"lifetime energy: {'yes' if 'energy_import_total' in profile.registers else 'no'}")
    if profile.kind == "meter":
        told += _direction(profile)
    told += (*_probes(profile), *_classic(profile))
    return tuple(told)


def _wires(profile: DeviceProfile) -> Iterator[str]:
    if profile.tcp is not None:
        yield f"Modbus TCP, port {profile.tcp.port}, unit {profile.tcp.unit}"
    line = profile.rtu or profile.serial
    if line is not None:
        bits = 8 if profile.rtu is None else profile.rtu.bits
        framing = ", Modbus ASCII" if profile.rtu is not None and profile.rtu.framing == "ascii" else ""
        yield f"serial, {line.baud} baud, {bits}{line.parity}{line.stop_bits}{framing}"


def _charger(profile: DeviceProfile, setpoint: CurrentSetpoint) -> Iterator[str]:
    kept = _memory(setpoint)
    pause = {"zero": "0 A", "disable": "its release"}.get(str(setpoint.pause), f"{setpoint.pause} A")
    grid = f"{setpoint.min_a} to {setpoint.max_a} A in steps of {setpoint.step_a} A"
    yield f"setpoint {grid}, {kept}; paused by {pause}"
    yield _lock(profile)
    yield f"without contact: {_silence(profile)}"


def _memory(setpoint: CurrentSetpoint) -> str:
    if setpoint.volatile:
        return "kept in RAM"
    said = "volatile" in setpoint.model_fields_set
    kept = "kept in EEPROM" if said else "not known where it is kept: counts as EEPROM"
    return f"{kept}, raised once in {setpoint.raise_interval_s:g} s at most"


def _lock(profile: DeviceProfile) -> str:
    form = profile.enable
    if form is None:
        return "cannot be locked, only held at 0 A"
    if form.readback is None and not profile.registers[form.register_].readable:
        return "locked by its release, which cannot be read back: whether it is locked is never verified"
    return "locked by its release"


def _direction(profile: DeviceProfile) -> Iterator[str]:
    without = [name for name, wire in _usual_wires(profile) if not has_signs(wire, profile)]
    if without:
        where = " and ".join(without)
        why = "currents and powers of the phases do not come in one block"
        yield f"shows no direction of its currents over {where}: not where power is exported ({why})"


def _usual_wires(profile: DeviceProfile) -> Iterator[tuple[str, Wire]]:
    if profile.tcp is not None:
        yield "Modbus TCP", Endpoint("", profile.tcp.port)
    if profile.rtu is not None:
        yield "the serial line", Line("", profile.rtu.baud, profile.rtu.parity, profile.rtu.stop_bits)


def _classic(profile: DeviceProfile) -> Iterator[str]:
    """Some devices rightly have such addresses: nothing in a file proves that they are a slip."""
    for table, numbers in CLASSIC.items():
        found = [one for one in profile.registers.values() if one.table == table and one.address in numbers]
        first = min(found, key=lambda one: one.address, default=None)
        if first is None or first.address % ROUND == 0 or _identifies(profile, [one.name for one in found]):
            continue
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        counted = f"in a list that counts {numbers[0]}, {numbers[1]} ... it is sent as {first.address - numbers[0]}"
        place = f"{first.name} at {table} {first.address}{more}"
        yield f"please compare: {place}: {counted}; where the list says what is sent, it is right"


def _identifies(profile: DeviceProfile, names: Sequence[str]) -> bool:
    """Whether a probe finds out if the addresses are right."""
    probe = profile.probe
    while probe is not None:
        if probe.register in names and probe.readings[0].expected.one_of is not None:
            return True
        probe = probe.readings[0].profile.probe
    return False


def _secc(profile: DeviceProfile, supply: Supply) -> Iterator[str]:
    prepare = f"at most {supply.prepare_current_ma / 1000:g} A before charging"
    yield f"modules off when its counter or its answers stop for {supply.stale_s:g} s; {prepare}"
    told = [name for name in TOLD if name in profile.registers]
    yield f"is told: {', '.join(told) or 'nothing but its release'}"


def _silence(profile: DeviceProfile) -> str:
    watchdog = profile.watchdog
    if watchdog is not None and not {"failsafe_current", "failsafe_current_readback"} & set(profile.registers):
        return "unknown: a watchdog without failsafe_current never verifies, and it is not energised"
    if watchdog is not None:
        return f"falls back, once that is verified (watchdog fed by {watchdog.method}, {watchdog.timeout_s:g} s)"
    return "holds its last setpoint" if profile.holds_last else "unknown, its maximum is counted"


def _probes(profile: DeviceProfile) -> Iterator[str]:
    probe = profile.probe
    while probe is not None:
        yield f"probe of {probe.register}: {', or '.join(map(_reading, probe.readings))}"
        probe = probe.readings[0].profile.probe


def _reading(reading: Reading) -> str:
    return reading.says if reading.usable else f"{reading.says} (refused)"
