"""Each shipped charger goes through a full charge on the simulator, each meter measures one (R16).

All devices live at once, each on a wire of its own, because most of the time passes in waiting.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest

from drivers.api import (
    DeviceError,
    DeviceEvent,
    Evse,
    EvState,
    Health,
    HealthChanged,
    Meter,
    MeterReading,
    Setpoint,
)
from drivers.modbus.bus import ModbusBus
from drivers.modbus.meter import has_signs
from drivers.profile import DeviceProfile, builtin_folder, catalogue
from drivers.setups import Endpoint, EvseSetup, Line, MeterSetup, Wire
from sim.modbus_server import TcpBus
from sim.physics import Ev, EvSpec
from sim.scenario_file import parse_scenario
from sim.world import Station, World
from tests.sim.sites import Row, evse, meter, scenario

PROFILES = catalogue(builtin_folder())
CHARGERS = [id_ for id_, profile in PROFILES.items() if profile.kind == "charger"]
METERS = [id_ for id_, profile in PROFILES.items() if profile.kind == "meter"]
PATIENCE_S = 20.0
LOAD_A = (10.5, -2.0, 0.0)
ENERGY_WH = 123_456.0


@dataclass
class Story:
    """What was reached, in order, and what the driver and the simulated hardware said at the end of each part."""

    reached: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    verified: bool | None = None
    drawn: tuple[float, ...] = ()
    measured: tuple[float, ...] | None = None
    power_w: tuple[float, float | None] = (0.0, None)
    energy_wh: tuple[float, float | None] = (0.0, None)
    reading: MeterReading | None = None
    written: set[str] = field(default_factory=set)
    fault: str = ""


def unit(profile: DeviceProfile) -> int:
    form = profile.tcp or profile.rtu
    assert form is not None
    return form.unit or 1


def kinds(ids: list[str]) -> dict[str, str]:
    return {f"bus-{id_}": "modbus-rtu" for id_ in ids if PROFILES[id_].tcp is None}


def world(ids: list[str]) -> World:
    rows: list[Row] = []
    for id_ in (id_ for id_ in CHARGERS if id_ in ids):
        form = PROFILES[id_].setpoint
        assert form is not None
        most_a = min(32, int(form.max_a))
        rows.append(
            evse(id_, id_, unit=unit(PROFILES[id_]), max_current_a=most_a, latency_s=0.3, energy_wh=ENERGY_WH)
        )
    rows += [
        meter(id_, id_, unit=unit(PROFILES[id_]), circuit="load", energy_wh=ENERGY_WH)
        for id_ in METERS
        if id_ in ids
    ]
    circuits = [
        {"id": "main", "rating_a": 3000},
        {"id": "load", "parent": "main", "rating_a": 63, "load_a": list(LOAD_A)},
    ]
    return World(parse_scenario(scenario(*rows, kinds=kinds(ids), circuits=circuits)))


def wire(site: World, id_: str) -> Wire:
    bus, rtu = site.buses[f"bus-{id_}"], PROFILES[id_].rtu
    if isinstance(bus, TcpBus):
        return Endpoint("127.0.0.1", bus.port)
    assert rtu is not None
    return Line(bus.port, rtu.baud, rtu.parity, rtu.stop_bits)


async def until(reached: Callable[[], bool], story: Story, what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline_s, f"{what}; reached {story.reached}, told {story.texts}"
        await asyncio.sleep(0.05)
    story.reached.append(what)


async def offer(device: Evse, station: Station, story: Story, amps: float) -> None:
    """Setpoints are renewed as the cycle renews them, so that what feeds a device goes on."""
    until_s = time.monotonic() + 60
    await device.apply(Setpoint(int(amps * 1000), amps > 0, until_s))
    await until(lambda: abs(station.controller.offered_a - amps) < 0.01, story, f"{amps} A offered")


def state(device: Evse) -> EvState | None:
    return device.latest.state if device.latest is not None else None


async def charge(device: Evse, station: Station, story: Story) -> None:
    await until(lambda: device.health is Health.OK and state(device) is EvState.A, story, "idle")
    station.outlet.plug_in(Ev(EvSpec(32.0, (0, 1, 2), 0.2, 60_000.0, 0.5, 0.2)))
    await until(lambda: state(device) is EvState.B, story, "plugged")
    await offer(device, station, story, 10)
    await until(lambda: station.outlet.drawn_a[0] > 9.9, story, "charging")
    await until(lambda: state(device) is EvState.C, story, "seen to charge")
    await asyncio.sleep(2.5)
    latest = device.latest
    assert latest is not None
    story.drawn = tuple(station.outlet.conductor_a)
    story.measured = None if latest.current_ma is None else tuple(ma / 1000 for ma in latest.current_ma)
    story.power_w = station.outlet.power_w, latest.power_w
    story.energy_wh = station.outlet.energy_wh, latest.energy_wh
    story.verified = device.fall_back.verified if device.fall_back.watchdog_timeout_s is not None else None
    await offer(device, station, story, 8)
    await offer(device, station, story, 0)
    await until(lambda: station.outlet.drawn_a[0] < 0.1, story, "paused")
    if device.capabilities.lock:
        await until(lambda: not station.controller.enabled, story, "locked")
    station.outlet.unplug()
    await until(lambda: state(device) is EvState.A, story, "gone")


async def measure(device: Meter, story: Story) -> None:
    await until(lambda: device.latest is not None and device.latest.current_ma.l1 > 0, story, "measured")
    story.reading = device.latest


async def run_all() -> dict[str, Story]:
    return await run({id_: PROFILES[id_] for id_ in (*CHARGERS, *METERS)})


async def run(profiles: dict[str, DeviceProfile]) -> dict[str, Story]:
    """The simulated site has what is shipped; the drivers get these profiles."""
    site, found = world(list(profiles)), {id_: Story() for id_ in profiles}
    await site.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(site.run())]
            parts = []
            for id_, profile in profiles.items():
                bus, part = device(site, profile, found[id_])
                running.append(tasks.create_task(bus.run()))
                parts.append(tasks.create_task(told(part, found[id_])))
            await asyncio.wait(parts)
            for task in running:
                task.cancel()
    finally:
        await site.stop()
    for event in site.log.since(0):
        if event["kind"] == "write":
            found[str(event["evse"])].written.add(str(event["register"]))
    return found


def device(site: World, profile: DeviceProfile, story: Story) -> tuple[ModbusBus, Awaitable[None]]:
    """A driver on a wire of its own, and what it goes through."""

    def sink(event: DeviceEvent) -> None:
        if isinstance(event, HealthChanged):
            story.texts.append(event.text)

    bus = ModbusBus(profile.id, wire(site, profile.id), sink, fast_s=0.4)
    if profile.kind == "meter":
        meter_setup = MeterSetup(profile.id, unit(profile), 1.0, reversed=False, period_s=0.5)
        return bus, measure(bus.add_meter(meter_setup, profile), story)
    station = next(s for s in site.stations if s.spec.id == profile.id)
    setup = EvseSetup(profile.id, unit(profile), 1, 6000, 20.0, 6000, 32_000, None)
    return bus, charge(bus.add_evse(setup, profile), station, story)


async def told(part: Awaitable[None], story: Story) -> None:
    """One device that fails must not end the others' stories."""
    try:
        await part
    except (DeviceError, AssertionError) as error:
        story.fault = f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    return asyncio.run(run_all())


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r16_a_charger_goes_through_a_full_charge(profile_id: str, stories: dict[str, Story]) -> None:
    story, profile = stories[profile_id], PROFILES[profile_id]
    assert story.fault == ""
    locked = ["locked"] if profile.enable is not None else []
    charged = ["10 A offered", "charging", "seen to charge", "8 A offered", "0 A offered", "paused"]
    assert story.reached == ["idle", "plugged", *charged, *locked, "gone"]
    assert story.verified is (None if profile.watchdog is None else True)
    assert story.written >= written(profile)
    said = story.texts[-1].split("; ")
    assert said[0] == "answers"
    assert len(said) - 1 == choices(profile), "a problem of the proof"


def written(profile: DeviceProfile) -> set[str]:
    """What a charge cannot be without."""
    names = {"current_limit", *(name for name, raw in profile.commission.items() if raw != 0)}
    if profile.enable is not None:
        names.add(profile.enable.register_)
    if profile.keepalive is not None:
        names.add(profile.keepalive.register_)
    if profile.watchdog is not None and profile.watchdog.method == "heartbeat":
        names.add("heartbeat")
    if profile.watchdog is not None and not profile.watchdog.fixed:
        names |= {"comm_timeout", "failsafe_current"}
    return names


def choices(profile: DeviceProfile) -> int:
    if profile.probe is None:
        return 0
    return (len(profile.probe.readings) > 1) + choices(profile.probe.readings[0].profile)


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r16_a_charger_shows_what_flows(profile_id: str, stories: dict[str, Story]) -> None:
    story, registers = stories[profile_id], PROFILES[profile_id].registers
    assert (story.measured is not None) is ("current_l1" in registers)
    if story.measured is not None:
        assert story.measured == pytest.approx(story.drawn, abs=0.2)
    true_w, seen_w = story.power_w
    assert (seen_w is not None) is ("active_power_total" in registers)
    if seen_w is not None:
        assert seen_w == pytest.approx(true_w, abs=110)
    true_wh, seen_wh = story.energy_wh
    assert (seen_wh is not None) is ("energy_import_total" in registers)
    if seen_wh is not None:
        assert true_wh - step_wh(PROFILES[profile_id]) - 10 <= seen_wh <= true_wh + 1


def step_wh(profile: DeviceProfile) -> float:
    """A float32 counts hundreds of kWh in steps of less than a hundredth."""
    register = profile.registers["energy_import_total"]
    return float(register.scale) if register.is_integer else 1.0


@pytest.mark.parametrize("profile_id", METERS)
def test_r16_a_meter_shows_what_flows_with_its_direction(profile_id: str, stories: dict[str, Story]) -> None:
    story, profile = stories[profile_id], PROFILES[profile_id]
    assert story.fault == ""
    reading, registers = story.reading, profile.registers
    assert reading is not None
    assert reading.signed is has_signs(Endpoint("h", 502), profile)
    own = [f"current_l{n}" in registers for n in (1, 2, 3)]
    true_a = [(amps if reading.signed else abs(amps)) * has for amps, has in zip(LOAD_A, own, strict=True)]
    assert [ma / 1000 for ma in reading.current_ma] == pytest.approx(true_a, abs=0.02)
    by_phase = [amps * 230 * has for amps, has in zip(LOAD_A, own, strict=True)]
    true_w = sum(by_phase) if "active_power_total" not in registers else sum(LOAD_A) * 230
    assert reading.power_w == pytest.approx(true_w, abs=11)
    assert (reading.energy_import_wh is not None) is ("energy_import_total" in registers)
    if reading.energy_import_wh is not None:
        assert ENERGY_WH - step_wh(profile) - 1 <= reading.energy_import_wh <= ENERGY_WH + 50
    assert story.texts[-1].split("; ")[0] == "answers"


@pytest.mark.parametrize(
    "other",
    [
        {"address": 12_000},
        {"scale": Fraction(1, 10)},
        {"word_order": "little"},
    ],
    ids=str,
)
def test_r16_the_wrong_map_does_not_charge(other: dict[str, object]) -> None:
    """The simulator reads the file as it is shipped, the driver one with an error: they must not agree."""
    profile = PROFILES["sigenergy-evac"]
    wrong = profile.registers["current_limit"].model_copy(update=other)
    spoilt = replace(profile, registers={**profile.registers, "current_limit": wrong})
    story = asyncio.run(run({"sigenergy-evac": spoilt}))["sigenergy-evac"]
    assert "10 A offered" not in story.reached
