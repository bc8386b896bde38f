"""Setpoints on their way to one device: the newest counts, a cut overtakes, and nothing is assumed confirmed."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from controller.clock import Clock
from controller.runtime import actuator as actuator_module
from controller.runtime.actuator import Actuator
from drivers.api import DeviceError, DeviceEvent, Fault, Health, Setpoint
from drivers.setups import EvseSetup
from tests.runtime.bench import until
from tests.runtime.push_evse import PushEvse

FAILS = DeviceError(Fault.REFUSED, "exception 4")
BEGINS, ENDS = "A1 does not take its setpoint: exception 4", "A1 takes setpoints again"


def setpoint(current_ma: int, *, enabled: bool = True) -> Setpoint:
    return Setpoint(current_ma, enabled, time.monotonic() + 5)


def nothing(event: DeviceEvent) -> None:
    """Nobody listens."""


class Superseding(PushEvse):
    """As the protocol asks: a newer setpoint ends the call of an older one."""

    def __init__(self) -> None:
        super().__init__(EvseSetup("A1", 1, 1, 6000, 15.0, 6000, 32_000, 0), nothing)
        self.health = Health.OK
        self._older: asyncio.Future[None] | None = None

    async def apply(self, setpoint: Setpoint) -> None:
        if self._older is not None and not self._older.done():
            self._older.set_exception(DeviceError(Fault.REFUSED, "superseded"))
        self.applied.append(setpoint)
        if self.refusal is not None:
            raise self.refusal
        if self.free.is_set():
            return
        self._older = asyncio.get_running_loop().create_future()
        await self._older

    def answer(self) -> None:
        assert self._older is not None
        self._older.set_result(None)


@pytest.fixture
def device() -> Superseding:
    return Superseding()


@pytest.fixture
async def actuator(device: Superseding) -> AsyncIterator[Actuator]:
    made = Actuator(device, Clock())
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait({task})


def sent(device: Superseding) -> list[int]:
    return [one.current_ma for one in device.applied]


async def attempt(actuator: Actuator, device: Superseding, refusal: DeviceError | None) -> None:
    """A setpoint that the device refuses so, or takes."""
    tried = len(device.applied)
    device.refusal = refusal
    actuator.command(setpoint(10_000))
    await until(lambda: len(device.applied) > tried and actuator._wanted is None and not actuator._writing)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


async def test_what_was_confirmed_is_known_with_its_time(actuator: Actuator, device: Superseding) -> None:
    assert (actuator.commanded_ma, actuator.confirmed_ma, actuator.confirmed_s) == (None, None, None)
    actuator.command(setpoint(10_000))
    await until(lambda: actuator.confirmed_ma == 10_000)
    assert actuator.commanded_ma == 10_000
    assert actuator.confirmed_s == pytest.approx(time.monotonic(), abs=1)


async def test_of_several_that_wait_only_the_newest_is_sent(actuator: Actuator, device: Superseding) -> None:
    device.free.clear()
    actuator.command(setpoint(10_000))
    await until(lambda: device.applied)
    for current in (11_000, 12_000, 13_000):
        actuator.command(setpoint(current))
        await asyncio.sleep(0.01)
    assert sent(device) == [10_000]
    device.free.set()
    device.answer()
    await until(lambda: actuator.confirmed_ma == 13_000)
    assert sent(device) == [10_000, 13_000]


@pytest.mark.parametrize("cut", [setpoint(6000), setpoint(10_000, enabled=False)])
async def test_r3_a_cut_overtakes_a_write_that_hangs(
    actuator: Actuator, device: Superseding, cut: Setpoint
) -> None:
    device.free.clear()
    actuator.command(setpoint(10_000))
    await until(lambda: device.applied)
    actuator.command(cut)
    await until(lambda: device.applied[-1] is cut)
    assert actuator.commanded_ma == 10_000, "it may hold either until it says so"
    device.answer()
    await until(lambda: actuator.confirmed_ma == cut.current_ma)
    assert actuator.commanded_ma == cut.current_ma


async def test_r1_a_raise_that_failed_counts_until_something_is_confirmed(
    actuator: Actuator, device: Superseding
) -> None:
    actuator.command(setpoint(6000))
    await until(lambda: actuator.confirmed_ma == 6000)
    device.refusal = DeviceError(Fault.TIMEOUT, "no answer")
    actuator.command(setpoint(16_000))
    await until(lambda: len(device.applied) == 2 and not actuator._writing)
    device.refusal = None
    device.free.clear()
    actuator.command(setpoint(6000))
    await until(lambda: len(device.applied) == 3)
    assert (actuator.commanded_ma, actuator.confirmed_ma) == (16_000, 6000)
    device.answer()
    await until(lambda: actuator.commanded_ma == 6000)


async def test_a_raise_that_was_refused_is_not_held(actuator: Actuator, device: Superseding) -> None:
    """An EEPROM that is spared, for instance: the next, lower setpoint is all that counts."""
    actuator.command(setpoint(6000))
    await until(lambda: actuator.confirmed_ma == 6000)
    device.refusal = DeviceError(Fault.REFUSED, "EEPROM: raised again in 9 s at the earliest")
    for current_ma in (32_000, 16_000):
        actuator.command(setpoint(current_ma))
        await until(lambda: actuator._wanted is None and not actuator._writing)
    assert (actuator.commanded_ma, actuator.confirmed_ma) == (16_000, 6000)


async def test_a_failure_is_logged_once_and_its_end_once(
    actuator: Actuator, device: Superseding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(3):
        await attempt(actuator, device, FAILS)
    await attempt(actuator, device, None)
    await attempt(actuator, device, None)
    assert said(caplog) == [BEGINS, ENDS]


async def test_who_takes_every_other_setpoint_is_complained_of_once_in_a_while(
    actuator: Actuator,
    device: Superseding,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    for _ in range(5):
        await attempt(actuator, device, FAILS)
        await attempt(actuator, device, None)
    assert said(caplog) == [BEGINS, ENDS]
    monkeypatch.setattr(actuator_module, "CALM_S", 0.0)
    await attempt(actuator, device, FAILS)
    await attempt(actuator, device, None)
    assert said(caplog) == [BEGINS, ENDS, BEGINS, ENDS]


async def test_a_second_failure_is_logged_as_soon_as_it_lasts(
    actuator: Actuator,
    device: Superseding,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    for refusal in (FAILS, None, FAILS):
        await attempt(actuator, device, refusal)
    assert said(caplog) == [BEGINS, ENDS]
    monkeypatch.setattr(actuator_module, "LASTING_S", 0.0)
    for refusal in (FAILS, FAILS, None):
        await attempt(actuator, device, refusal)
    assert said(caplog) == [BEGINS, ENDS, BEGINS, ENDS]


async def test_one_that_is_lost_takes_locks_and_no_word_is_lost_on_that(
    actuator: Actuator, device: Superseding, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes one a second, so it refuses every other."""
    caplog.set_level("INFO")
    monkeypatch.setattr(actuator_module, "CALM_S", 0.0)
    device.health = Health.LOST
    for _ in range(5):
        await attempt(actuator, device, FAILS)
        await attempt(actuator, device, None)
    assert said(caplog) == [BEGINS]
    device.health = Health.OK
    await attempt(actuator, device, None)
    assert said(caplog) == [BEGINS, ENDS]


async def test_nothing_is_said_of_one_that_is_not_found_yet(
    actuator: Actuator, device: Superseding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    device.health = Health.UNKNOWN
    await attempt(actuator, device, FAILS)
    device.health = Health.OK
    await attempt(actuator, device, None)
    assert said(caplog) == []


async def test_an_apply_that_hangs_fails_after_a_while(
    actuator: Actuator,
    device: Superseding,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(actuator_module, "APPLY_TIMEOUT_S", 0.1)
    device.free.clear()
    actuator.command(setpoint(10_000))
    await until(lambda: caplog.records)
    assert caplog.records[0].message == "A1 does not take its setpoint: no answer in time"
    assert (actuator.commanded_ma, actuator.confirmed_ma) == (10_000, None)
    device.free.set()
    actuator.command(setpoint(10_000))
    await until(lambda: actuator.confirmed_ma == 10_000)


async def test_a_device_that_was_away_has_confirmed_nothing(actuator: Actuator, device: Superseding) -> None:
    actuator.command(setpoint(10_000))
    await until(lambda: actuator.confirmed_ma == 10_000)
    actuator.forget()
    assert (actuator.confirmed_ma, actuator.confirmed_s) == (None, None)
