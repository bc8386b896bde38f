"""A scan of a wire that a site is using, over a pty and over TCP (R39)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from drivers.api import DeviceEvent, Health, HealthChanged, MeterRead
from drivers.modbus.bus import ModbusBus
from drivers.profile import builtin_folder, load
from drivers.profile_schema import DeviceProfile
from drivers.scan import Device, Scan, Visit, Wanted, scan_running, scan_serial
from drivers.setups import Endpoint, Line, MeterSetup
from tests.drivers.modbus.conftest import TcpStation, wait_until
from tests.drivers.test_scan import PROFILES, QUICK, Wire, open_wire, sdm630

METER = PROFILES["eastron-sdm630-v2"]
MUTE = load(builtin_folder() / "meters" / "bernecker-mpm3pm.toml")


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    with open_wire() as opened:
        yield opened


class Site:
    """A bus at work with one meter at unit 1."""

    def __init__(self, wire: Line | Endpoint) -> None:
        self.events: list[DeviceEvent] = []
        self.bus = ModbusBus("wire", wire, self.events.append)
        if isinstance(wire, Line):
            self.bus.add_meter(MeterSetup("m1", 1, 1.0, reversed=False, period_s=0.2), METER)
        self.task = asyncio.create_task(self.bus.run())

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def readings(self) -> list[float]:
        return [event.reading.t_s for event in self.events if isinstance(event, MeterRead)]

    def lost(self) -> list[HealthChanged]:
        return [one for one in self.events if isinstance(one, HealthChanged) and one.health is Health.LOST]

    async def scan(self, units: Sequence[int], profiles: dict[str, DeviceProfile] = PROFILES) -> Scan:
        self.found: list[Device] = []
        visit = Visit(self.bus.guest(), self.bus.wire, units, known=self.bus.units())
        return await scan_running(visit, profiles, told=lambda *_: None, found=self.found.append)


async def test_r39_a_device_is_found_beside_a_meter_that_goes_on_being_read(wire: Wire) -> None:
    wire.units = {1: sdm630(), 4: sdm630()}
    site = Site(Line(wire.port, 9600, "N", 1))
    try:
        await wait_until(lambda: len(site.readings()) > 3)
        before = len(site.readings())
        scan = await site.scan(range(1, 6))
        times, figures, units = site.readings()[before:], site.bus.figures(), site.bus.units()
    finally:
        await site.end()
    assert [(one.unit, one.matches[0].profile.id) for one in scan.devices] == [(4, "eastron-sdm630-v2")]
    assert site.found == list(scan.devices)
    assert {asked.function for asked in wire.asked} <= {1, 2, 3, 4}
    assert not site.lost()
    assert len(times) > 3, "the meter was read all the while"
    assert {unit.unit for unit in figures.units} == units == {1}


async def test_r39_units_of_the_site_are_not_asked_by_a_scan(wire: Wire) -> None:
    wire.units = {1: sdm630()}
    site = Site(Line(wire.port, 9600, "N", 1))
    try:
        await wait_until(lambda: len(site.readings()) > 1)
        usual = {asked.address for asked in wire.asked}
        assert (await site.scan(range(1, 3))).devices == ()
    finally:
        await site.end()
    assert {asked.address for asked in wire.asked if asked.unit == 1} <= usual


async def test_a_device_that_answers_only_now_and_then_is_told_so(wire: Wire) -> None:
    wire.units = {1: sdm630(), 2: {0: 7}}
    count = 0

    def shaky(asked: object, good: bytes) -> list[tuple[float, bytes]] | None:
        nonlocal count
        count += good[0] == 2
        return [(0.0, good[:-1] + b"\x00")] if good[0] == 2 and count == 2 else None

    wire.twist = shaky
    site = Site(Line(wire.port, 9600, "N", 1))
    try:
        await wait_until(lambda: len(site.readings()) > 1)
        scan = await site.scan(range(2, 3))
    finally:
        await site.end()
    assert "of 3 answers were missing or spoilt" in scan.devices[0].notes[0]


def mpm3pm() -> dict[int, int]:
    """230 V at 8, 10, 12; 50 Hz; the rest is zero."""
    return dict.fromkeys(range(64), 0) | {9: 2301, 11: 2299, 13: 2300, 45: 500}


@pytest.mark.parametrize("running", [False, True])
async def test_a_device_that_is_silent_on_an_unknown_function_fits_the_other_reading(
    wire: Wire, *, running: bool
) -> None:
    wire.units = {1: sdm630(), 2: mpm3pm()}
    wire.twist = lambda asked, good: [] if good[0] == 2 and good[1] & 0x7F != 3 else None
    profiles = {MUTE.id: MUTE}
    if running:
        site = Site(Line(wire.port, 9600, "N", 1))
        try:
            await wait_until(lambda: len(site.readings()) > 1)
            scan = await site.scan(range(2, 3), profiles)
        finally:
            await site.end()
    else:
        wanted = Wanted((9600,), range(2, 3), full=True, patience=QUICK)
        scan = await scan_serial(wire.port, profiles, wanted, told=lambda *_: None)
    device = scan.devices[0]
    assert [match.profile.id for match in device.matches] == [MUTE.id]
    assert "voltage_l1: function 3 (holding registers)" in device.matches[0].why


# TCP


@pytest.fixture
async def station() -> AsyncIterator[TcpStation]:
    opened = TcpStation()
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def over_tcp(station: TcpStation, units: Sequence[int]) -> Scan:
    site = Site(Endpoint("127.0.0.1", station.port))
    await wait_until(lambda: station.connections)
    try:
        return await site.scan(units, {"keba-p30": load(builtin_folder() / "chargers" / "keba-p30.toml")})
    finally:
        await site.end()


async def test_r39_units_behind_a_gateway_that_the_site_has_are_found(station: TcpStation) -> None:
    station.units = {5: {}, 6: {}}
    station.exceptions = {(6, 0): 11}
    scan = await over_tcp(station, (4, 5, 6))
    assert [one.unit for one in scan.devices] == [5], "that of 6 is the gateway's word that nobody is there"
    assert station.connections == 1, "many gateways have room for one"


async def test_a_device_of_the_site_that_answers_to_every_unit_is_not_found_again(station: TcpStation) -> None:
    station.units = {unit: {} for unit in range(1, 20)}
    scan = await over_tcp(station, range(1, 20))
    assert scan.devices == ()
    assert "answers to every unit id" in scan.notes[0]
