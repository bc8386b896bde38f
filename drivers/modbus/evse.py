"""One outlet of a Modbus charger as an `Evse`: readings out, setpoints in, and the lease on a setpoint."""

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass

from drivers.api import (
    Capabilities,
    DeviceError,
    EvseRead,
    EvseReading,
    FallBack,
    Fault,
    Health,
    HealthChanged,
    Setpoint,
    Sink,
    TokenRead,
)
from drivers.modbus.blocks import Packing
from drivers.modbus.commissioning import Commissioning
from drivers.modbus.outlet import Outlet
from drivers.modbus.poller import ANSWERS, Poller, PollPlan
from drivers.modbus.probing import Choice, OtherReadingError, Probing, repacked
from drivers.modbus.reading import Image, evse_reading, evse_registers, shown_tag
from drivers.modbus.registers import Registers
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.setpoints import Target, Unheard, lowers, on_grid, target
from drivers.modbus.tag import TagRegister
from drivers.modbus.upkeep import Upkeep
from drivers.profile_schema import CurrentSetpoint, DeviceProfile, Watchdog
from drivers.setups import EvseSetup

RETRY_S = 1.0
"""Pause between attempts to write the fail-safe current."""
TRIES = 3
"""Failed attempts to write the fail-safe current after which the device's own watchdog must do it."""
MARGIN_S = 1.0


@dataclass(slots=True)
class Lease:
    """Until when the setpoint may be believed, and what became of its end."""

    until_s: float = math.inf
    ended: bool = True
    """Nothing to do at `until_s` (any more)."""
    commanded: bool = False
    """Given by a setpoint, not by finding the outlet."""
    retry_s: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Order:
    setpoint: Setpoint
    done: asyncio.Future[None]


class ModbusEvse:
    def __init__(
        self,
        scheduler: Scheduler,
        setup: EvseSetup,
        profile: DeviceProfile,
        *,
        form: CurrentSetpoint,
        sink: Sink,
        packing: Packing,
        period_s: float,
    ) -> None:
        self._scheduler, self._setup, self._form, self._sink = scheduler, setup, form, sink
        self._packing, self._period_s = packing, period_s
        self._unit = scheduler.unit(setup.unit, profile.modbus.spacing_ms / 1000)
        self._probing = Probing(scheduler, profile, unit=setup.unit, outlet=setup.outlet)
        self._profile: DeviceProfile
        self._adopt(Choice(next(profile.readings)))
        self._identified = profile.probe is None
        """It is, as far as can be told, what the device profile describes: it may be written to."""
        self._latest: EvseReading | None = None
        self._tags = TagRegister()
        self._order: Order | None = None
        self._lease = Lease()
        self._renewed_s = -math.inf
        """When the setpoint was last written for a model that forgets it."""
        self._unheard = Unheard()
        self._holding: asyncio.Timeout | None = None
        """Around the order that is being carried out."""
        self._wake = asyncio.Event()
        self._fed = asyncio.Event()
        """Set when there is a setpoint again for which the watchdog is to be fed."""
        self._running = False

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            step_ma=self._form.step_ma,
            latency_s=self._form.latency_s,
            raise_interval_s=self._form.raise_interval_s,
            meter="energy_import_total" in self._profile.registers,
            reader="rfid_tag" in self._profile.registers,
            lock=self._profile.enable is not None,
            unlock=self._profile.unlock_raw is not None,
        )

    @property
    def fall_back(self) -> FallBack:
        power_up_ma = self._setup.power_up_ma
        return FallBack(
            watchdog_timeout_s=self._upkeep.proof.timeout_s,
            failsafe_ma=self._setup.failsafe_ma,
            verified=self._upkeep.proof.verified,
            holds_last=self._profile.holds_last,
            power_up_ma=self._form.power_up_ma if power_up_ma is None else power_up_ma,
        )

    @property
    def health(self) -> Health:
        return self._poller.health

    @property
    def latest(self) -> EvseReading | None:
        return self._latest

    async def apply(self, setpoint: Setpoint) -> None:
        if not self._running:
            raise DeviceError(Fault.CLOSED, f"{self.id}: not running")
        order = Order(setpoint, asyncio.get_running_loop().create_future())
        before = self._order
        self._supersede()
        self._order = order
        if before is not None and lowers(setpoint, before.setpoint):
            self._interrupt()
        self._wake.set()
        await order.done

    async def read_now(self) -> EvseReading:
        await self._poller.read_now()
        if self._latest is None or self._latest.state is None:
            raise DeviceError(Fault.DATA, f"{self.id}: its state is not believable")
        return self._latest

    async def unlock(self) -> None:
        """Release the plug.

        Raises:
            DeviceError: REFUSED also where the model cannot; TIMEOUT at once while it does not answer.
        """
        raw = self._profile.unlock_raw
        if raw is None:
            raise DeviceError(Fault.REFUSED, f"{self.id}: cannot release the plug")
        if self.health is not Health.OK:
            raise DeviceError(Fault.TIMEOUT, f"{self.id}: does not answer")
        await self._registers.write_raw("unlock", raw, urgency=Urgency.WRITE)

    async def run(self) -> None:
        """Until cancelled."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._serve())
                tasks.create_task(self._command())
                tasks.create_task(self._feed())
                tasks.create_task(self._keep_alive())
        finally:
            self._running = False
            self._upkeep.lost()
            self._outlet.forget()
            self._fail_order(DeviceError(Fault.CLOSED, f"{self.id}: stopped"))

    async def _serve(self) -> None:
        while True:
            try:
                await self._poller.run()
            except OtherReadingError as other:
                self._adopt(other.choice)

    def _adopt(self, choice: Choice) -> None:
        """Read and command the device so from now on."""
        self._choice, self._profile = choice, choice.profile
        profile, setup = choice.profile, self._setup
        packing = repacked(self._packing, profile, setup.outlet)
        self._registers = Registers(self._scheduler, profile, unit=setup.unit, outlet=setup.outlet)
        fast = [self._registers.point(name) for name in evse_registers(profile, "fast")]
        slow = [self._registers.point(name) for name in evse_registers(profile, "slow")]
        elsewhere = self._probing.elsewhere(profile)
        plan = PollPlan(Wanted(fast, packing), Wanted(slow, packing), self._period_s, elsewhere)
        self._poller = Poller(self._scheduler, self._unit, plan=plan, device=self)
        self._upkeep = Upkeep(Commissioning(self._registers, profile, setup), told=self._tell_problems)
        self._outlet = Outlet(self._registers, profile, self._form)

    # What the poller tells.

    async def found(self) -> None:
        choice = await self._choose()
        if choice.profile is not self._profile:
            raise OtherReadingError(choice)
        self._choice = choice
        self._outlet.forget()
        self._unheard = Unheard()
        self._tags.doubt()
        await self._upkeep.found()
        if self._lease.until_s == math.inf:
            # What the outlet holds is from an earlier life: without a cycle it must not last.
            self._lease = Lease(time.monotonic() + self._setup.watchdog_timeout_s, ended=False)
        elif time.monotonic() >= self._lease.until_s:
            self._lease.ended, self._lease.failures, self._lease.retry_s = False, 0, 0.0
        self._wake.set()

    async def _choose(self) -> Choice:
        try:
            choice = await self._probing.choose()
        except DeviceError as error:
            self._identified = self._identified and error.fault is not Fault.MISMATCH
            raise
        self._identified = True
        return choice

    def seen(self, image: Image) -> None:
        reading = evse_reading(self._profile, image)
        self._latest = reading
        self._outlet.seen(image)
        self._sink(EvseRead(self.id, reading))
        tag = shown_tag(self._profile, image)
        if self._tags.presents(tag, reading.t_s) and tag:
            self._sink(TokenRead(self.id, tag, reading.t_s))

    async def slow(self) -> None:
        await self._upkeep.check()

    def health_changed(self, health: Health, text: str) -> None:
        if health is Health.LOST:
            self._outlet.forget()
        self._tell(health, text)

    def _tell_problems(self) -> None:
        if self.health is Health.OK:
            self._tell(Health.OK, ANSWERS)

    def _tell(self, health: Health, text: str) -> None:
        told = self._choice.told if health is Health.OK else ()
        text = "; ".join((text, *told, *self._upkeep.proof.problems))
        self._sink(HealthChanged(self.id, health, text, time.monotonic()))

    # The one task that writes setpoints and the fail-safe current.

    async def _command(self) -> None:
        while True:
            self._wake.clear()
            now_s = time.monotonic()
            if self._order is not None:
                await self._obey(self._order)
            elif now_s >= self._expiry_s():
                await self._expire()
            elif now_s >= self._renewal_s():
                await self._renew()
            else:
                await self._sleep(min(self._expiry_s(), self._renewal_s()))

    async def _sleep(self, until_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if until_s == math.inf else until_s):
                await self._wake.wait()

    async def _obey(self, order: Order) -> None:
        try:
            async with asyncio.timeout(None) as self._holding:
                await self._hold(order)
        except TimeoutError:
            pass  # a cut has taken its place, and its caller was told
        except DeviceError as error:
            if not order.done.done():
                order.done.set_exception(error)
        else:
            if not order.done.done():
                order.done.set_result(None)
        if self._order is order:
            self._order = None

    async def _hold(self, order: Order) -> None:
        setpoint = order.setpoint
        if setpoint.valid_until_s <= time.monotonic():
            raise DeviceError(Fault.REFUSED, f"{self.id}: the setpoint has expired")
        wanted = target(setpoint, self._setup, self._form)
        if self.health is not Health.OK:
            self._allow_lost(wanted)
        self._lease = lease = Lease(setpoint.valid_until_s, ended=False, commanded=True)
        self._unit.lift()
        self._fed.set()
        await self._outlet.hold(
            wanted,
            superseded=lambda: self._order is not order or time.monotonic() > lease.until_s,
            heard=self.health is Health.OK,
        )

    def _allow_lost(self, wanted: Target) -> None:
        """A lost outlet takes nothing but a lock or a pause, and that less and less often."""
        energises = wanted.enabled and wanted.current_ma > 0
        if energises or not self._identified or not self._unheard.may_be_told(wanted, time.monotonic()):
            raise DeviceError(Fault.TIMEOUT, f"{self.id}: does not answer")

    def _expiry_s(self) -> float:
        lease = self._lease
        return math.inf if lease.ended else max(lease.until_s, lease.retry_s)

    def _renewal_s(self) -> float:
        """When the setpoint is to be written again because the model forgets it."""
        form, timeout_s = self._profile.watchdog, self._upkeep.proof.timeout_s
        if form is None or form.method != "setpoint" or timeout_s is None or not self._alive:
            return math.inf
        return self._renewed_s + timeout_s / 3

    async def _renew(self) -> None:
        self._renewed_s = time.monotonic()
        with contextlib.suppress(DeviceError):  # a lost device is noticed by its poller
            await self._outlet.renew()

    async def _expire(self) -> None:
        """Nobody renewed the setpoint: write the fail-safe current, never more than the outlet holds."""
        lease = self._lease
        if not self._identified:
            lease.ended = True  # tried when it is found
            return
        failsafe_ma = on_grid(self._setup.failsafe_ma, self._setup, self._form)
        try:
            await self._outlet.fall_back(failsafe_ma, superseded=lambda: self._order is not None)
        except DeviceError:
            lease.failures += 1
            lease.retry_s = time.monotonic() + RETRY_S
            if lease.failures >= TRIES:
                self._leave_to_watchdog(lease)
        else:
            lease.ended = True

    def _leave_to_watchdog(self, lease: Lease) -> None:
        """Any request feeds this model's watchdog: be silent until it must have fired, then try again."""
        form, timeout_s = self._profile.watchdog, self._upkeep.proof.timeout_s
        if self.health is not Health.OK:
            lease.ended = True  # tried again when it is found
        elif form is not None and form.method == "any_request" and timeout_s is not None:
            lease.retry_s = time.monotonic() + timeout_s + MARGIN_S
            lease.failures = 0
            self._unit.hush(lease.retry_s)

    # The task that feeds a watchdog which wants to be written to.

    async def _feed(self) -> None:
        form = self._profile.watchdog
        if form is None or form.method in ("any_request", "setpoint"):
            return
        while True:
            timeout_s = self._upkeep.proof.timeout_s
            if timeout_s is None or not self._alive:
                self._fed.clear()
                await self._fed.wait()
                continue
            await self._beat(form, timeout_s)
            await asyncio.sleep(timeout_s / 3)

    async def _keep_alive(self) -> None:
        """Some models do nothing, or nobody knows what, unless this is written: no fall-back to rely on."""
        form = self._profile.keepalive
        while form is not None:
            if not self._alive:
                self._fed.clear()
                await self._fed.wait()
                continue
            with contextlib.suppress(DeviceError):
                await self._registers.write_raw(form.register_, form.value, urgency=Urgency.WRITE)
            await asyncio.sleep(form.interval_s)

    @property
    def _alive(self) -> bool:
        lease = self._lease
        commanded = lease.commanded and not lease.ended and time.monotonic() < lease.until_s
        return commanded and self.health is Health.OK

    async def _beat(self, form: Watchdog, timeout_s: float) -> None:
        with contextlib.suppress(DeviceError):  # a lost device is noticed by its poller
            if form.method == "rewrite":
                await self._registers.write("comm_timeout", round(timeout_s * 1000), urgency=Urgency.WRITE)
            elif form.value is not None:
                await self._registers.write_raw("heartbeat", form.value, urgency=Urgency.WRITE)

    def _interrupt(self) -> None:
        """What waits for the wire is not sent any more; what is under way there ends by itself."""
        if self._holding is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._holding.reschedule(asyncio.get_running_loop().time())

    def _supersede(self) -> None:
        self._fail_order(DeviceError(Fault.REFUSED, f"{self.id}: superseded"))

    def _fail_order(self, error: DeviceError) -> None:
        order, self._order = self._order, None
        if order is not None and not order.done.done():
            order.done.set_exception(error)
