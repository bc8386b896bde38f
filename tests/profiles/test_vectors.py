"""Every register that the drivers use is checked against hand-made words; and the check itself can fail (R16)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from drivers.dc.demand import Insulation, Stage, demand_of
from drivers.modbus import codec
from drivers.modbus.reading import Sample
from drivers.profile import DeviceProfile, Register, builtin_folder, load
from tests.profiles.vectors import VECTORS
from tests.profiles.words import COIL, HOLDING, Read, State, Write

CHARGERS = [id_ for id_, vectors in VECTORS.items() if any(isinstance(vector, State) for vector in vectors)]
CHARGER_NAMES = {
    "comm_remaining",
    *("status", "plug", "error_code", "active_power_total", "energy_import_total", "rfid_tag", "plug_counter"),
    *(
        "current_limit",
        "current_limit_readback",
        "enable",
        "enable_readback",
        "comm_timeout",
        "comm_timeout_readback",
    ),
    *("failsafe_current", "failsafe_current_readback", "heartbeat", "unlock", "standby_control"),
}
METER_NAMES = {"active_power_total", "energy_import_total", "energy_export_total"}
PHASE_NAMES = {f"{what}_l{n}" for what in ("current", "voltage") for n in (1, 2, 3)}
SIGNED = ("s16", "s32", "s64")
POWER_NAMES = {f"active_power_l{n}" for n in (1, 2, 3)}


@cache
def shipped(profile_id: str) -> DeviceProfile:
    return load(next(builtin_folder().rglob(f"{profile_id}.toml")))


def faults(profile: DeviceProfile, vector: Read | Write | State) -> Iterator[str]:
    match vector:
        case Read():
            point = codec.point(profile, vector.name, vector.outlet)
            if (point.table, point.address, point.width) != (vector.table, vector.address, len(vector.words)):
                yield f"{vector.name}: read {point.width} from {point.table} {point.address}"
            elif (point.exponent is None) != (vector.tens is None):
                yield f"{vector.name}: power of ten in {point.exponent}"
            elif (value := codec.value(point, vector.words, vector.tens or 0)) != vector.value:
                yield f"{vector.name}: {value} instead of {vector.value}"
        case Write():
            point = codec.point(profile, vector.name, vector.outlet)
            table = COIL if vector.function == 5 else HOLDING
            if (point.table, point.address, point.write_fc) != (table, vector.address, vector.function):
                yield f"{vector.name}: written by {point.write_fc} to {point.table} {point.address}"
            elif not _says(point, vector):
                yield f"{vector.name}: {vector.value} is not written as {vector.words}"
        case State() if letter(profile, vector) != vector.letter:
            yield f"state {vector.words}: {letter(profile, vector)} instead of {vector.letter}"


def _says(point: codec.Point, vector: Write) -> bool:
    try:
        return codec.encode(point, vector.value) == vector.words
    except codec.EncodeError:
        return False


def letter(profile: DeviceProfile, vector: State) -> str | None:
    state = profile.state
    assert state is not None
    said = state.values.get(str(codec.raw(codec.point(profile, state.register_), vector.words)))
    if said != "plug":
        return said
    assert state.plug_register is not None
    assert vector.plug is not None
    raw = codec.raw(codec.point(profile, state.plug_register), vector.plug)
    return "B" if state.is_plugged(int(raw) if isinstance(raw, int) else None) else "A"


def all_faults(profile: DeviceProfile, name: str | None = None) -> list[str]:
    """Faults of the vectors of one register, or of all."""
    chosen = [vector for vector in VECTORS[profile.id] if name is None or getattr(vector, "name", None) == name]
    assert chosen
    return [fault for vector in chosen for fault in faults(profile, vector)]


def with_register(profile: DeviceProfile, name: str, **changes: object) -> DeviceProfile:
    changed = profile.registers[name].model_copy(update=changes)
    return replace(profile, registers={**profile.registers, name: changed})


def planted(profile: DeviceProfile, register: Register) -> Iterator[tuple[str, dict[str, object]]]:
    """The errors that a hand could make in this register's line."""
    yield "address too high by one", {"address": register.address + 1}
    yield "address too low by one", {"address": abs(register.address - 1)}
    yield "other table", {"table": "input" if register.table == "holding" else "holding"}
    if register.unit is not None:
        yield "scale too large", {"scale": register.scale * 10}
        yield "scale too small", {"scale": register.scale / 10}
    if register.width > 1 and not register.is_text:
        order = register.word_order or profile.modbus.word_order
        yield "word order", {"word_order": "little" if order == "big" else "big"}
    if register.type in SIGNED and register.unit in ("A", "W", "Wh") and _shows_sign(register):
        yield "sign", {"type": register.type.replace("s", "u")}
    if register.mask is not None:
        yield "mask forgotten", {"mask": None}
        yield "other bits", {"mask": tuple(one >> 8 if one > 0xFF else one << 8 for one in register.mask)}
    if register.exponent is not None:
        yield "power of ten forgotten", {"exponent": None}
    if register.repeat > 1:
        yield "copies forgotten", {"repeat": 1}
    if register.write_fc is not None:
        yield "function code", {"write_fc": 6 if register.write_fc == 16 else 16}


def _shows_sign(register: Register) -> bool:
    """Whether a negative number is a value, or would be one if it were taken for a positive one."""
    least_unsigned = (register.raw_limits[1] + 1) * register.scale
    return register.low is None or register.low < 0 or register.high is None or least_unsigned <= register.high


def vectored(profile_id: str) -> list[str]:
    return sorted({vector.name for vector in VECTORS[profile_id] if not isinstance(vector, State)})


@pytest.mark.parametrize("profile_id", VECTORS)
def test_r16_each_value_is_read_and_written_as_worked_out_by_hand(profile_id: str) -> None:
    assert all_faults(shipped(profile_id)) == []


@pytest.mark.parametrize(("profile_id", "name"), [(id_, name) for id_ in VECTORS for name in vectored(id_)])
def test_r16_an_error_planted_in_a_register_turns_its_vectors_red(profile_id: str, name: str) -> None:
    profile = shipped(profile_id)
    writable_vectors = any(isinstance(vector, Write) and vector.name == name for vector in VECTORS[profile_id])
    for what, change in planted(profile, profile.registers[name]):
        if what == "function code" and not writable_vectors:
            continue
        assert all_faults(with_register(profile, name, **change), name), what


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r16_an_error_planted_in_a_state_turns_a_vector_red(profile_id: str) -> None:
    profile = shipped(profile_id)
    state = profile.state
    assert state is not None
    seen = {
        str(codec.raw(codec.point(profile, state.register_), v.words))
        for v in VECTORS[profile_id]
        if isinstance(v, State)
    }
    assert seen >= {text for text in state.values if text.isdigit()}
    for text in seen:
        wrong = {**state.values, text: "D" if state.values[text] != "D" else "A"}
        assert all_faults(replace(profile, state=state.model_copy(update={"values": wrong})))
    if state.plugged_from is not None:
        for wrong_from in (state.plugged_from - 1, state.plugged_from + 1):
            wrong_state = state.model_copy(update={"plugged_from": wrong_from})
            assert all_faults(replace(profile, state=wrong_state))
    if state.plugged is not None and "plug" in state.values.values():
        for kept in state.plugged:
            fewer = state.model_copy(update={"plugged": tuple(raw for raw in state.plugged if raw != kept)})
            assert all_faults(replace(profile, state=fewer))


SAID = {
    ("request", "on"): True,
    ("contactors", "closed"): True,
    ("insulation", "good"): Insulation.GOOD,
    ("insulation", "testing"): Insulation.TESTING,
    ("stage", "cable_check"): Stage.CABLE_CHECK,
    ("stage", "pre_charge"): Stage.PRE_CHARGE,
    ("stage", "charging"): Stage.CHARGING,
}
RAW = {"on": 1, "closed": 1, "good": 2, "testing": 1, "cable_check": 1, "pre_charge": 2, "charging": 3}
"""As firmware-profiles/README.md has them."""


def says(profile: DeviceProfile, key: str, raw: int) -> object:
    supply = profile.supply
    assert supply is not None
    name = getattr(supply, key).register_
    found = demand_of(supply, {name: Sample(codec.point(profile, name), (raw,), 1.0, 0)})
    assert found is not None
    fields = {"request": "requested", "contactors": "contactors", "insulation": "insulation", "stage": "stage"}
    return getattr(found, fields[key])


@pytest.mark.parametrize(("key", "word"), SAID)
def test_r9_r16_what_lets_modules_deliver_is_said_by_the_documented_value_and_a_planted_one_shows(
    key: str, word: str
) -> None:
    profile = shipped("ampyard-secc")
    supply = profile.supply
    assert supply is not None
    assert says(profile, key, RAW[word]) == SAID[key, word]
    wrong = getattr(supply, key).model_copy(update={word: RAW[word] + 4})
    other = replace(profile, supply=supply.model_copy(update={key: wrong}))
    assert says(other, key, RAW[word]) != SAID[key, word]


def ordered(profile: DeviceProfile) -> list[str]:
    """Registers that follow the word order of the device, and that the vectors know."""
    known = vectored(profile.id)
    several = [one for one in profile.registers.values() if one.width > one.repeat and not one.is_text]
    return [one.name for one in several if one.word_order is None and one.name in known]


@pytest.mark.parametrize("profile_id", [id_ for id_ in VECTORS if ordered(shipped(id_))])
def test_r16_the_wrong_word_order_of_a_whole_device_turns_vectors_red(profile_id: str) -> None:
    profile = shipped(profile_id)
    order = "little" if profile.modbus.word_order == "big" else "big"
    wrong = replace(profile, modbus=profile.modbus.model_copy(update={"word_order": order}))
    for name in ordered(profile):
        assert all_faults(wrong, name), name


def test_r16_a_sentinel_that_is_forgotten_turns_a_vector_red() -> None:
    profile = shipped("abb-b23-b24")
    for name in ("current_l2", "voltage_l2", "active_power_l2", "energy_export_total"):
        forgotten = with_register(profile, name, sentinel=None, low=None, high=None)
        assert all_faults(forgotten, name)


@pytest.mark.parametrize("profile_id", [id_ for id_ in VECTORS if shipped(id_).modbus.outlets > 1])
def test_r16_the_offset_of_an_outlet_turns_vectors_red_when_wrong(profile_id: str) -> None:
    profile = shipped(profile_id)
    offset = profile.modbus.outlet_offset + 1
    assert all_faults(replace(profile, modbus=profile.modbus.model_copy(update={"outlet_offset": offset})))
    if profile.modbus.global_registers:
        assert all_faults(replace(profile, modbus=profile.modbus.model_copy(update={"global_registers": ()})))


@pytest.mark.parametrize("profile_id", VECTORS)
def test_r16_no_register_that_the_drivers_use_is_without_a_vector(profile_id: str) -> None:
    profile = shipped(profile_id)
    names = {"charger": CHARGER_NAMES, "secc": set(profile.registers)}.get(profile.kind, METER_NAMES | POWER_NAMES)
    used = set(profile.registers) & (names | PHASE_NAMES)
    assert used <= set(vectored(profile_id))
    written = {v.name for v in VECTORS[profile_id] if isinstance(v, Write)}
    assert {name for name in used if profile.registers[name].writable} <= written
