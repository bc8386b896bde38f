"""An SECC on a Modbus bus: read often enough to be believed, told what it may count on, locked and released."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import DeviceError, Fault, Health, Sink, TokenRead
from drivers.dc.demand import Demand, Pulse, demand_of
from drivers.dc.proof import Proof
from drivers.modbus import codec
from drivers.modbus.blocks import packing
from drivers.modbus.bus import Place
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.probing import Choice, OtherReadingError, Probing
from drivers.modbus.reading import Image, evse_registers, shown_tag
from drivers.modbus.registers import Registers
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Urgency
from drivers.modbus.tag import TagRegister
from drivers.profile_schema import DeviceProfile, Release, Supply
from drivers.setups import DcSetup

READS_PER_STALE = 4
"""Readings planned in the time after which the SECC counts as stale."""


class Outlet(Protocol):
    """Whom an SECC tells. Called in the event loop."""

    def seen(self, image: Image) -> None: ...

    def secc_changed(self, health: Health, text: str) -> None: ...


@dataclass(slots=True)
class Held:
    """Value of each register that the SECC was seen to take, and when it was written; missing: unknown."""

    values: dict[str, int] = field(default_factory=dict)
    written_s: dict[str, float] = field(default_factory=dict)


class Secc:
    """`attach` it to its outlet before it runs."""

    def __init__(self, place: Place, setup: DcSetup, profile: DeviceProfile, *, sink: Sink) -> None:
        """Raises ValueError where the profile describes no SECC, or has no such outlet."""
        if profile.supply is None or profile.enable is None:
            raise ValueError(f"{setup.id}: device profile {profile.id} describes no SECC")
        if not 1 <= setup.outlet <= profile.modbus.outlets:
            raise ValueError(f"{setup.id}: {profile.id} has no outlet {setup.outlet}")
        self._place, self._setup, self._sink = place, setup, sink
        self.supply: Supply = profile.supply
        self._enable: Release = profile.enable
        self._unit = place.scheduler.unit(
            setup.unit, profile.modbus.spacing_ms / 1000, pipeline=profile.modbus.pipeline
        )
        self._probing = Probing(place.scheduler, profile, unit=setup.unit, outlet=setup.outlet)
        self._held = Held()
        self._tags = TagRegister()
        self._outlet: Outlet | None = None
        self.pulse = Pulse()
        self.demand: Demand | None = None
        self._adopt(Choice(next(profile.readings)))

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def health(self) -> Health:
        return self._poller.health

    @property
    def timeout_s(self) -> float:
        """Of its watchdog."""
        return self._proof.timeout_ms / 1000

    @property
    def released(self) -> bool:
        """Whether the SECC acknowledged its release, and has not shown another one since."""
        return self._held.values.get(self._enable.register_) == self._enable.on

    def attach(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._poller.run()
                except OtherReadingError as other:
                    self._adopt(other.choice)
        finally:
            self._forget()

    async def read_now(self) -> None:
        """Return after a round that began after this call.

        Raises:
            DeviceError: not found, or the round failed.
        """
        await self._poller.read_now()

    def _adopt(self, choice: Choice) -> None:
        """Read and command the device so from now on."""
        self.profile, self._told = choice.profile, choice.told
        profile, setup, scheduler = choice.profile, self._setup, self._place.scheduler
        self._registers = Registers(scheduler, profile, unit=setup.unit, outlet=setup.outlet)
        fits = packing(self._place.wire, profile, setup.outlet)
        fast = [self._registers.point(name) for name in evse_registers(profile, "fast")]
        slow = [self._registers.point(name) for name in evse_registers(profile, "slow")]
        plan = PollPlan(Wanted(fast, fits), Wanted(slow, fits), self.supply.stale_s / READS_PER_STALE)
        self._poller = Poller(scheduler, self._unit, plan=plan, device=self)
        self._proof = Proof(self._registers, profile, timeout_ms=round(setup.watchdog_timeout_s * 1000))

    def _forget(self) -> None:
        """It may have restarted: nothing is known of what it holds, nor whether it runs."""
        self._held = Held()
        self.pulse.stop()

    # What the poller tells.

    async def found(self) -> None:
        choice = await self._probing.choose()
        if choice.profile is not self.profile:
            raise OtherReadingError(choice)
        self._told = choice.told
        self._forget()
        self._tags.doubt()
        await self._proof.establish()

    def seen(self, image: Image) -> None:
        demand = demand_of(self.supply, image)
        if demand is not None:
            self.demand = demand
            self.pulse.seen(demand)
        self._compare(image)
        if self._outlet is not None:
            self._outlet.seen(image)
        reading_s = min(sample.t_s for sample in image.values())
        tag = shown_tag(self.profile, image)
        if self._tags.presents(tag, reading_s) and tag:
            self._sink(TokenRead(self.id, tag, reading_s))

    def _compare(self, image: Image) -> None:
        """An SECC that shows another release than it took has forgotten the rest too: all is written again."""
        name = self._enable.register_
        sample = image.get(self._enable.readback or name)
        if sample is None or sample.t_s < self._held.written_s.get(name, 0.0):
            return
        if name in self._held.values and codec.raw(sample.point, sample.words) != self._held.values[name]:
            self._held = Held()

    async def slow(self) -> None:
        before = self._proof.problems
        await self._proof.establish()
        if self._proof.problems != before and self.health is Health.OK:
            self.health_changed(Health.OK, "answers")

    def health_changed(self, health: Health, text: str) -> None:
        if health is Health.LOST:
            self._forget()
        told = (*self._told, *self._proof.problems) if health is Health.OK else ()
        if self._outlet is not None:
            self._outlet.secc_changed(health, "; ".join((text, *told)))

    # What it is told.

    async def release(self, *, on: bool) -> None:
        """Return once the SECC holds its release, or its lock.

        Raises:
            DeviceError: not acknowledged, or it shows another one.
        """
        name, raw = self._enable.register_, self._enable.on if on else self._enable.off
        if self._held.values.get(name) == raw:
            return
        self._held.values.pop(name, None)
        await self._registers.write_raw(name, raw, urgency=Urgency.WRITE if on else Urgency.SAFETY)
        written_s = time.monotonic()
        shown = next((one for one in (self._enable.readback, name) if self._registers.readable(one)), None)
        if shown is not None:
            found = await self._registers.read_raw(shown, Urgency.WRITE)
            if found != raw:
                raise DeviceError(Fault.REFUSED, f"{shown} is {found}, not {raw}")
        self._held.values[name] = raw
        self._held.written_s[name] = written_s

    async def tell(self, name: str, value: int, urgency: Urgency) -> None:
        """Write a value that the SECC's map has a register for, rounded down to its grid; an equal one only once.

        Raises:
            DeviceError: not acknowledged.
        """
        register = self.profile.registers.get(name)
        if register is None:
            return
        point = self._registers.point(name)
        most = int(register.raw_limits[1] * point.scale) if register.is_integer else value
        exact = codec.floor_to_grid(point, max(0, min(value, most)))
        if self._held.values.get(name) == exact:
            return
        self._held.values.pop(name, None)
        await self._registers.write(name, exact, urgency=urgency)
        self._held.values[name] = exact

    async def beat(self) -> None:
        """Feed its watchdog.

        Raises:
            DeviceError: not acknowledged.
        """
        form = self.profile.watchdog
        if form is None or form.method == "any_request":
            return
        if form.method == "heartbeat" and form.value is not None:
            await self._registers.write_raw("heartbeat", form.value, urgency=Urgency.WRITE)
        elif form.method == "rewrite":
            await self._registers.write("comm_timeout", self._proof.timeout_ms, urgency=Urgency.WRITE)
