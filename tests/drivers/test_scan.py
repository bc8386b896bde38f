"""A scan of wires of which nothing is known, against stations made of raw bytes: it only reads (R39)."""

import asyncio
import contextlib
import struct
import termios
from collections.abc import AsyncIterator, Iterator

import pytest

from drivers.api import DeviceError, Fault
from drivers.modbus.pdu import Request
from drivers.modbus.survey_frames import Heard, judge
from drivers.modbus.survey_line import ForeignMasterError, Patience
from drivers.modbus.survey_match import Confidence, Match, named, rank
from drivers.profile import builtin_folder, load
from drivers.profile_schema import DeviceProfile
from drivers.scan import Device, Scan, Wanted, likely_units, scan_serial, scan_tcp, settings
from drivers.setups import Endpoint, Line
from tests.drivers.modbus.conftest import PtyStation, TcpStation, checksum

QUICK = Patience(listen_s=0.25, doubt_s=0.25, answer_s=0.06, again_s=0.2, spacing_s=0.01)
NAMES = ("meters/eastron-sdm630-v2", "meters/eastron-sdm230", "chargers/heidelberg-energy-control")
PROFILES: dict[str, DeviceProfile] = {
    profile.id: profile for profile in (load(builtin_folder() / f"{name}.toml") for name in NAMES)
}
ASK = Request(5, 3, 0, 1)
BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (9600, 19200, 38400)}


def framed(*body: int) -> bytes:
    return bytes(body) + checksum(bytes(body))


ANSWER = framed(5, 3, 2, 0, 7)


def floats(address: int, *values: float) -> dict[int, int]:
    words = [word for value in values for word in struct.unpack(">HH", struct.pack(">f", value))]
    return {address + place: word for place, word in enumerate(words)}


def sdm630() -> dict[int, int]:
    """Three phases: volts, amperes, watts; total at 52, hertz at 70, kWh at 72."""
    return floats(0, 231, 229, 230.5, 1, 2, 3, 230, 458, 690) | floats(52, 1378) | floats(70, 50, 1234.5, 0)


class Wire(PtyStation):
    """A pty on which each unit has a speed of its own; what is written at another one it does not hear."""

    def __init__(self, **speeds: int) -> None:
        super().__init__()
        self.speeds = {int(unit.removeprefix("u")): baud for unit, baud in speeds.items()}
        self.lacks_others = True

    def respond(self, unit: int, body: bytes) -> bytes | None:
        if self.speeds.get(unit, self.speed) != self.speed:
            return None
        answer = super().respond(unit, body)
        function, address, count = struct.unpack(">BHH", body[:5])
        memory = self.units.get(unit)
        if answer is not None and memory and any(address + i not in memory for i in range(count)):
            return bytes([unit, function | 0x80, 2])
        return answer

    @property
    def speed(self) -> int:
        return BAUDS.get(termios.tcgetattr(self.slave)[5], 0)


@contextlib.contextmanager
def open_wire(**speeds: int) -> Iterator[Wire]:
    wire = Wire(**speeds)
    wire.open()
    try:
        yield wire
    finally:
        wire.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    with open_wire() as opened:
        yield opened


async def scanned(wire: Wire, *, bauds: tuple[int, ...] = (9600,), units: range = range(1, 5)) -> Scan:
    wanted = Wanted(bauds, units, full=True, patience=QUICK)
    return await scan_serial(wire.port, PROFILES, wanted, told=lambda *_: None)


def best(device: Device) -> str:
    return device.matches[0].profile.id


# What the bytes are


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Heard.SILENCE),
        (ANSWER, Heard.ANSWER),
        (framed(5, 0x83, 2), Heard.ANSWER),
        (framed(5, 3, 0, 0, 0, 1), Heard.SILENCE),  # the echo of our own request
        (framed(5, 3, 0, 0, 0, 1) + ANSWER, Heard.ANSWER),
        (b"\xff" + ANSWER, Heard.ANSWER),  # a transceiver that switches
        (ANSWER + framed(5, 3, 2, 0, 9), Heard.CROWDED),
        (ANSWER + b"\x05\x03\x02\x00", Heard.CROWDED),
        (ANSWER[:-1] + b"\x00", Heard.GARBLED),
        (b"\x11\x22\x33\x44\x55", Heard.GARBLED),
        (framed(9, 3, 2, 0, 7), Heard.FOREIGN),
        (framed(9, 3, 0, 10, 0, 2), Heard.FOREIGN),
        (framed(9, 16, 0, 10, 0, 1, 2, 0, 5), Heard.FOREIGN),
        (framed(4, 3, 2, 0, 7), Heard.LATE),  # unit 4 was asked before
        (framed(4, 3, 0, 10, 0, 2), Heard.FOREIGN),  # but nobody of us is asked
    ],
)
def test_bytes_after_a_request_are_told_apart(data: bytes, kind: Heard) -> None:
    assert judge(data, ASK, (4, 5)).kind is kind


# Serial


async def test_a_meter_is_found_and_its_profile_proposed(wire: Wire) -> None:
    wire.units[3] = dict.fromkeys(range(400), 0) | sdm630()
    found = await scanned(wire)
    assert [device.unit for device in found.devices] == [3]
    device = found.devices[0]
    assert best(device) == "eastron-sdm630-v2", "it explains three phases, the single-phase meter only one"
    assert device.matches[0].confidence is Confidence.LIKELY
    assert "voltage_l1 reads 231.0 V" in device.matches[0].why
    assert device.wire == Line(wire.port, 9600, "N", 1)


async def test_r39_a_scan_only_reads(wire: Wire) -> None:
    wire.units[1], wire.units[2] = sdm630(), {}
    await scanned(wire)
    assert wire.asked
    assert {asked.function for asked in wire.asked} <= {1, 2, 3, 4}


async def test_r39_mixed_baud_rates_are_found_and_told() -> None:
    with open_wire(u1=9600, u2=19200) as wire:
        wire.units = {1: sdm630(), 2: sdm630()}
        found = await scanned(wire, bauds=(9600, 19200))
    speeds = {device.unit: device.wire.baud for device in found.devices if isinstance(device.wire, Line)}
    assert speeds == {1: 9600, 2: 19200}
    assert "different settings are on one wire" in found.notes[0]


async def test_a_unit_is_asked_once_at_each_speed_for_two_devices_may_share_its_number(wire: Wire) -> None:
    wire.units[1] = {}
    found = await scanned(wire, bauds=(9600, 19200), units=range(1, 2))
    assert sorted(device.wire.baud for device in found.devices if isinstance(device.wire, Line)) == [9600, 19200]


async def test_a_device_that_refuses_everything_is_there_without_a_profile(wire: Wire) -> None:
    wire.units[2] = {}
    wire.exceptions = {(2, address): 2 for address in range(0x10000)}
    found = await scanned(wire)
    assert [(device.unit, device.matches, device.notes) for device in found.devices] == [(2, (), ())]


async def test_a_device_of_zeros_fits_no_meter(wire: Wire) -> None:
    wire.units[2] = dict.fromkeys(range(400), 0)
    assert [device.matches for device in (await scanned(wire)).devices] == [()]


async def test_nobody_is_found_on_an_empty_wire(wire: Wire) -> None:
    assert await scanned(wire) == Scan()


async def test_a_slow_device_is_heard_when_its_answer_comes_during_the_next_question(wire: Wire) -> None:
    wire.units[2], wire.delay_s = sdm630(), 0.1  # asked for 0.06 s only
    found = await scanned(wire)
    assert [device.unit for device in found.devices] == [2]
    assert best(found.devices[0]) == "eastron-sdm630-v2"


async def test_r39_two_devices_at_one_address_are_told(wire: Wire) -> None:
    wire.units[3] = {0: 7}

    def both(asked: object, good: bytes) -> list[tuple[float, bytes]]:
        spoilt = bytes(one & other for one, other in zip(good, framed(3, 3, 2, 0x55, 0xAA), strict=False))
        return [(0.0, spoilt)]

    wire.twist = both
    found = await scanned(wire)
    assert [device.unit for device in found.devices] == [3]
    assert not found.devices[0].matches, "what is not understood is not identified"
    assert "two devices have this address" in found.devices[0].notes[0]


async def test_r39_two_devices_that_answer_one_after_the_other_are_told(wire: Wire) -> None:
    wire.units[3] = {0: 7}
    wire.twist = lambda asked, good: [(0.0, good), (0.01, framed(3, 3, 2, 0, 9))]
    found = await scanned(wire)
    assert "two devices have this address" in found.devices[0].notes[0]


async def test_noise_now_and_then_hides_nobody_and_is_told(wire: Wire) -> None:
    wire.units[2] = sdm630()
    count = 0

    def noisy(asked: object, good: bytes) -> list[tuple[float, bytes]] | None:
        nonlocal count
        count += 1
        return [(0.0, b"\x81\x13\x7f\x00")] if count == 2 else None

    wire.twist = noisy
    device = (await scanned(wire)).devices[0]
    assert best(device) == "eastron-sdm630-v2"
    assert "1 of 4 answers were spoilt" in device.notes[0]


@pytest.mark.parametrize("begins_s", [0.0, 0.6])
async def test_r39_a_scan_stops_when_another_master_talks(wire: Wire, begins_s: float) -> None:
    """Before it begins, or in the middle of it."""
    wire.units[1] = sdm630()

    async def talk() -> None:
        await asyncio.sleep(begins_s)
        while True:
            wire.send_now(framed(77, 3, 0, 10, 0, 2))
            await asyncio.sleep(0.02)
            wire.send_now(framed(77, 3, 4, 0, 1, 0, 2))
            await asyncio.sleep(0.06)

    talking = asyncio.create_task(talk())
    try:
        with pytest.raises(ForeignMasterError, match=r"unit 77.*Disconnect"):
            await scanned(wire, units=range(1, 40))
    finally:
        talking.cancel()
    if begins_s == 0.0:
        assert wire.asked == [], "nothing was sent while somebody talked"


async def test_a_port_that_somebody_has_is_not_scanned(wire: Wire) -> None:
    import serial

    with serial.Serial(wire.port, exclusive=True), pytest.raises(DeviceError) as refused:
        await scanned(wire)
    assert refused.value.fault is Fault.CLOSED
    assert "exclusively lock" in str(refused.value)


def test_settings_that_most_devices_come_with_are_tried_first() -> None:
    lines = settings("/dev/x", PROFILES, Wanted())
    assert len(lines) == 15
    assert lines[0] == Line("/dev/x", 9600, "N", 1)
    assert lines[1] == Line("/dev/x", 19200, "E", 1), "as the Heidelberg has it"
    assert likely_units(PROFILES, lines[0]) == [*range(1, 11)]


def test_a_device_is_named_by_a_word_of_its_vendor_or_model() -> None:
    profile = PROFILES["eastron-sdm630-v2"]
    assert named(profile, "SDM630-Modbus rev 2")
    assert named(profile, "EASTRON")
    assert not named(profile, "v2")
    assert not named(profile, "")


def test_of_profiles_that_fit_alike_the_one_that_explains_more_comes_first() -> None:
    one, other, third = PROFILES.values()
    less, more = Match(one, Confidence.LIKELY, 1.0, 9.0, ()), Match(other, Confidence.LIKELY, 1.0, 12.0, ())
    says = Match(third, Confidence.IDENTIFIED, 0.8, 2.0, ())
    line = Line("/dev/x", 9600, "N", 1)
    assert sorted([less, more, says], key=lambda match: rank(match, line)) == [says, more, less]


# TCP


@pytest.fixture
async def station() -> AsyncIterator[TcpStation]:
    opened = TcpStation()
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def over_tcp(port: int, profiles: dict[str, DeviceProfile], units: tuple[int, ...]) -> Scan:
    endpoints = [Endpoint("127.0.0.1", port), Endpoint("127.0.0.1", 1)]
    return await scan_tcp(endpoints, profiles, units, told=lambda *_: None)


def networked() -> dict[str, DeviceProfile]:
    return {"keba-p30": load(builtin_folder() / "chargers" / "keba-p30.toml")}


async def test_a_host_that_refuses_is_no_device_and_one_that_is_silent_is_told(station: TcpStation) -> None:
    found = await over_tcp(station.port, networked(), (1, 2))
    assert found.devices == ()
    assert found.notes == (f"127.0.0.1:{station.port}: takes connections, but no unit that was asked answers",)


async def test_a_device_that_answers_to_every_unit_is_one_device(station: TcpStation) -> None:
    station.units = {unit: {} for unit in range(1, 9)}
    found = await over_tcp(station.port, networked(), tuple(range(1, 9)))
    assert len(found.devices) == 1
    assert "every unit id" in found.devices[0].notes[0]


async def test_r39_a_scan_over_tcp_only_reads(station: TcpStation) -> None:
    station.units = {1: {}, 5: {}}
    found = await over_tcp(station.port, networked(), (1, 2, 5))
    assert [device.unit for device in found.devices] == [1, 5]
    assert {asked.function for asked in station.asked} <= {1, 2, 3, 4}
