"""A device profile in a few lines for people: what the drivers will make of it."""

from collections.abc import Iterator

from drivers.can.module_profile import ModuleModel
from drivers.profile_kinds import AnyProfile
from drivers.profile_schema import CurrentSetpoint, DeviceProfile, Supply
from drivers.rules.supply import TOLD


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
    told += _probes(profile)
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
    kept = "in RAM" if setpoint.volatile else f"in EEPROM, raised once in {setpoint.raise_interval_s:g} s at most"
    pause = {"zero": "0 A", "disable": "its release"}.get(str(setpoint.pause), f"{setpoint.pause} A")
    grid = f"{setpoint.min_a} to {setpoint.max_a} A in steps of {setpoint.step_a} A"
    yield f"setpoint {grid}, kept {kept}; paused by {pause}"
    yield "locked by its release" if profile.enable is not None else "cannot be locked, only held at 0 A"
    yield f"without contact: {_silence(profile)}"


def _secc(profile: DeviceProfile, supply: Supply) -> Iterator[str]:
    prepare = f"at most {supply.prepare_current_ma / 1000:g} A before charging"
    yield f"modules off when its counter or its answers stop for {supply.stale_s:g} s; {prepare}"
    told = [name for name in TOLD if name in profile.registers]
    yield f"is told: {', '.join(told) or 'nothing but its release'}"


def _silence(profile: DeviceProfile) -> str:
    watchdog = profile.watchdog
    if watchdog is not None:
        return f"falls back, once that is verified (watchdog fed by {watchdog.method}, {watchdog.timeout_s:g} s)"
    return "holds its last setpoint" if profile.holds_last else "unknown, its maximum is counted"


def _probes(profile: DeviceProfile) -> Iterator[str]:
    probe = profile.probe
    while probe is not None:
        yield f"probe of {probe.register}: {', or '.join(reading.says for reading in probe.readings)}"
        probe = probe.readings[0].profile.probe
