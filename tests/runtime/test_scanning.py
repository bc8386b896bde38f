"""The scan that the running site carries out, and single registers beside it, on a real wire (R39, R11)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from controller.charging.commands import CancelScan, Outcome, ReadRegisters, Result, StartScan, WriteRegister
from controller.charging.found import KnownView, ScanState, ScanView
from controller.clock import Clock
from controller.runtime.scanning import ONLY_THIS, Scanning, ScanningParts
from controller.runtime.supervise import Supervised
from drivers.modbus.bus import ModbusBus
from drivers.profile import ProfileError, builtin_folder, load
from drivers.profile_schema import DeviceProfile
from drivers.setups import Line, MeterSetup
from tests.drivers.modbus.conftest import PtyStation, wait_until
from tests.drivers.test_scan import sdm630

METER = load(builtin_folder() / "meters" / "eastron-sdm630-v2.toml")
CHARGER = load(builtin_folder() / "chargers" / "heidelberg-energy-control.toml")
FAILSAFE = 262


@dataclass
class Desk:
    """A scanner with one bus, on which meter m1 is unit 1."""

    wire: PtyStation
    profiles: Mapping[str, DeviceProfile] = field(default_factory=lambda: {METER.id: METER, CHARGER.id: CHARGER})
    changes: int = 0

    async def open(self) -> None:
        self.bus = ModbusBus("wire", Line(self.wire.port, 9600, "N", 1), lambda event: None)
        self.bus.add_meter(MeterSetup("m1", 1, 1.0, reversed=False, period_s=0.3), METER)
        parts = ScanningParts(
            buses=lambda: {"wire": self.bus, "can0": object()},
            owners=lambda bus: {1: ["m1"]} if bus == "wire" else {},
            profiles=self.read_profiles,
            fragment=lambda bus, wire, found: f"{bus}: {len(found)}",
            changed=self.changed,
        )
        self.scanning = Scanning(parts)
        self.runner = Supervised("scan of a bus", self.scanning.run, Clock())
        self.tasks = [asyncio.create_task(self.bus.run()), asyncio.create_task(self.runner.run())]
        await wait_until(lambda: self.bus.units())

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def changed(self) -> None:
        self.changes += 1

    def read_profiles(self) -> Mapping[str, DeviceProfile]:
        return self.profiles

    async def ended(self) -> ScanView:
        await wait_until(lambda: self.scanning.view().state is not ScanState.RUNNING, 30)
        return self.scanning.view()

    async def scan(self, *units: int, bus: str = "wire") -> Outcome:
        return await self.scanning.ask(StartScan(bus, units))

    async def write(self, register: str, value: str, *, unit: int = 4, confirmed: str | None = None) -> Outcome:
        typed = register if confirmed is None else confirmed
        order = WriteRegister(
            bus="wire", unit=unit, profile=CHARGER.id, outlet=1, register=register, value=value, confirmed=typed
        )
        return await self.scanning.ask(order)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    wire = PtyStation(units={1: sdm630()})
    wire.open()
    made = Desk(wire)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
        wire.close()


async def test_r39_what_is_found_is_shown_with_its_proposals_and_tables(desk: Desk) -> None:
    desk.wire.units[3] = sdm630()
    assert (await desk.scan(1, 2, 3)).result is Result.DONE
    running = desk.scanning.view()
    assert (running.state, running.bus, running.known) == (ScanState.RUNNING, "wire", (KnownView(1, ("m1",)),))
    view = await desk.ended()
    assert (view.state, view.text) == (ScanState.DONE, "1 new device found")
    (found,) = view.found
    assert (found.unit, found.proposals[0].profile) == (3, "eastron-sdm630-v2")
    assert view.fragment == "wire: 1"
    assert view.notes == (ONLY_THIS,)
    assert [(wire.bus, wire.wire) for wire in view.wires] == [("wire", f"{desk.wire.port} 9600 8N1")], "no CAN bus"
    assert desk.changes >= 3


async def test_one_scan_at_a_time(desk: Desk) -> None:
    await desk.scan(2)
    second = await desk.scan(3)
    assert (second.result, "being scanned" in second.text) == (Result.REFUSED, True)
    await desk.ended()
    await wait_until(lambda: not desk.scanning._job)
    assert (await desk.scan(3)).result is Result.DONE
    await desk.ended()


async def test_a_scan_is_cancelled_and_asks_nothing_more(desk: Desk) -> None:
    await desk.scan(*range(10, 200))
    await wait_until(lambda: desk.scanning.view().done > 1)
    assert (await desk.scanning.ask(CancelScan())).result is Result.DONE
    assert desk.scanning.view().state is ScanState.CANCELLED
    await asyncio.sleep(0.3)
    asked = [one.unit for one in desk.wire.asked if one.unit >= 10]
    await asyncio.sleep(0.5)
    assert [one.unit for one in desk.wire.asked if one.unit >= 10] == asked
    assert (await desk.scanning.ask(CancelScan())).result is Result.UNKNOWN


async def test_a_scan_that_was_cancelled_before_it_began_does_not_run_with_the_next(desk: Desk) -> None:
    await desk.scan(50)
    await desk.scanning.ask(CancelScan())
    assert (await desk.scan(60)).result is Result.DONE
    await desk.ended()
    asked = {one.unit for one in desk.wire.asked}
    assert 60 in asked
    assert 50 not in asked


@pytest.mark.parametrize(
    ("bus", "units", "result"),
    [("nowhere", (), Result.UNKNOWN), ("can0", (), Result.UNKNOWN), ("wire", (0,), Result.REFUSED)],
)
async def test_what_cannot_be_scanned_is_refused(
    desk: Desk, bus: str, units: Sequence[int], result: Result
) -> None:
    assert (await desk.scan(*units, bus=bus)).result is result
    assert desk.scanning.view().state is ScanState.IDLE


async def test_a_faulty_profile_of_the_site_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty() -> Mapping[str, DeviceProfile]:
        raise ProfileError(("own.toml: id: is missing",))

    monkeypatch.setattr(desk.scanning, "_parts", _with(desk.scanning._parts, faulty))
    await desk.scan(2)
    view = await desk.ended()
    assert view.state is ScanState.FAILED
    assert "own.toml" in view.text


async def test_a_fault_of_our_own_ends_the_scan_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Mapping[str, DeviceProfile]:
        raise ZeroDivisionError

    usual = desk.scanning._parts
    monkeypatch.setattr(desk.scanning, "_parts", _with(usual, broken))
    with caplog.at_level(logging.CRITICAL, logger="controller.runtime.supervise"):
        await desk.scan(2)
        view = await desk.ended()
    assert view.state is ScanState.FAILED
    assert "charging goes on" in view.text
    await wait_until(lambda: desk.runner.alarm)
    monkeypatch.setattr(desk.scanning, "_parts", usual)
    await wait_until(lambda: desk.runner.alarm is None)
    await desk.scan(2)
    assert (await desk.ended()).state is ScanState.DONE


def _with(parts: ScanningParts, profiles: object) -> ScanningParts:
    assert callable(profiles)
    return ScanningParts(parts.buses, parts.owners, profiles, parts.fragment, parts.changed)


async def test_a_wire_that_is_gone_ends_the_scan_with_the_reason(desk: Desk) -> None:
    desk.tasks[0].cancel()
    await asyncio.gather(desk.tasks[0], return_exceptions=True)
    await desk.scan(2)
    view = await desk.ended()
    assert (view.state, view.text) == (ScanState.FAILED, "not running")


# Registers


async def read(desk: Desk, unit: int, address: int, *, table: str = "holding", bus: str = "wire") -> Outcome:
    return await desk.scanning.ask(ReadRegisters(bus, unit, table, address, 1))


async def test_registers_of_any_unit_are_read(desk: Desk) -> None:
    desk.wire.units[9] = {5: 77}
    desk.wire.exceptions = {(9, 6): 2}
    good, refused, silent = [await read(desk, *place) for place in ((9, 5), (9, 6), (8, 0))]
    assert good.registers is not None
    assert (good.result, good.registers.words) == (Result.DONE, (77,))
    assert 0 <= good.registers.age_s < 5
    assert refused.registers is not None
    assert (refused.result, refused.registers.fault, refused.registers.exception) == (Result.FAILED, "refused", 2)
    assert silent.registers is not None
    assert (silent.registers.fault, silent.registers.exception) == ("timeout", None)
    assert (await read(desk, 1, 0, table="input")).result is Result.DONE, "of the site's own meter too"
    assert desk.bus.units() == {1}, "and nobody is remembered"


async def test_registers_that_cannot_be_asked_for_are_refused(desk: Desk) -> None:
    assert (await read(desk, 0, 5)).result is Result.REFUSED, "0 reaches every device"
    assert (await read(desk, 9, 70000)).result is Result.REFUSED
    assert (await read(desk, 9, 5, table="files")).result is Result.UNKNOWN
    assert (await read(desk, 9, 5, bus="nowhere")).result is Result.UNKNOWN


async def test_r11_a_stranger_is_set_up_through_the_service(desk: Desk) -> None:
    desk.wire.units[4] = {FAILSAFE: 0, 261: 0}
    done = await desk.write("failsafe_current", "6.5")
    assert (done.result, done.text) == (Result.DONE, "failsafe_current: 6.5 A written and read back")
    assert [(one.unit, one.address, one.values) for one in desk.wire.writes()] == [(4, FAILSAFE, [65])]


async def test_r11_a_value_that_is_not_kept_is_a_failure(desk: Desk) -> None:
    desk.wire.units[4] = {FAILSAFE: 0}
    desk.wire.ignore_writes = {FAILSAFE}
    kept = await desk.write("failsafe_current", "6.5")
    assert (kept.result, "NOT kept" in kept.text) == (Result.FAILED, True)


@pytest.mark.parametrize(
    ("register", "value", "more", "said"),
    [
        ("failsafe_current", "6", {"unit": 1}, "m1 is part of this site"),
        ("failsafe_current", "6", {"confirmed": "yes"}, "not the register's name"),
        ("failsafe_current", "6", {"confirmed": ""}, "not the register's name"),
        ("failsafe_current", "6", {"unit": 0}, "would reach every device"),
        ("failsafe_current", "lots", {}, "is no number"),
        ("failsafe_current", "99", {}, "outside"),
        ("current_limit", "16", {}, "not for setting up"),
        ("enable", "1", {}, "not for setting up"),
        ("voltage_l1", "230", {}, "not for setting up"),
        ("rcd_clear", "1", {}, "not for setting up"),
    ],
)
async def test_r11_what_must_not_be_written_is_refused_before_anything_is_sent(
    desk: Desk, register: str, value: str, more: dict[str, object], said: str
) -> None:
    desk.wire.units[4] = {FAILSAFE: 0}
    order = {"unit": 4, "confirmed": register} | more
    refused = await desk.scanning.ask(
        WriteRegister(
            bus="wire",
            unit=int(str(order["unit"])),
            profile=CHARGER.id,
            outlet=1,
            register=register,
            value=value,
            confirmed=str(order["confirmed"]),
        )
    )
    assert refused.result is Result.REFUSED
    assert said in refused.text
    assert desk.wire.writes() == []
    assert {one.unit for one in desk.wire.asked} <= {1}
