"""A device profile in a few lines for people: what the drivers will make of it."""

from collections.abc import Iterator

from drivers.profile_schema import CurrentSetpoint, DeviceProfile


def lines(profile: DeviceProfile) -> tuple[str, ...]:
    """What `profiles check` shows of a file without faults."""
    identity = profile.identity
    told = [f"{profile.id}: {identity.vendor} {identity.model}, {profile.kind}, confidence {identity.confidence}"]
    if identity.firmware is not None:
        told.append(f"firmware {identity.firmware}")
    told += _wires(profile)
    if profile.setpoint is not None:
        told += _charger(profile, profile.setpoint)
    if profile.kind != "reader":
        told.append(f"lifetime energy: {'yes' if 'energy_import_total' in profile.registers else 'no'}")
    told += _probes(profile)
    return tuple(told)


def _wires(profile: DeviceProfile) -> Iterator[str]:
    if profile.tcp is not None:
        yield f"Modbus TCP, port {profile.tcp.port}, unit {profile.tcp.unit}"
    line = profile.rtu or profile.serial
    if line is not None:
        yield f"serial, {line.baud} baud, 8{line.parity}{line.stop_bits}"


def _charger(profile: DeviceProfile, setpoint: CurrentSetpoint) -> Iterator[str]:
    kept = "in RAM" if setpoint.volatile else f"in EEPROM, raised once in {setpoint.raise_interval_s:g} s at most"
    pause = {"zero": "0 A", "disable": "its release"}.get(str(setpoint.pause), f"{setpoint.pause} A")
    grid = f"{setpoint.min_a} to {setpoint.max_a} A in steps of {setpoint.step_a} A"
    yield f"setpoint {grid}, kept {kept}; paused by {pause}"
    yield "locked by its release" if profile.enable is not None else "cannot be locked, only held at 0 A"
    yield f"without contact: {_silence(profile)}"


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
