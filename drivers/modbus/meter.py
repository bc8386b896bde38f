"""A Modbus energy meter as a `Meter`."""

import time

from drivers.api import Health, HealthChanged, MeterRead, MeterReading, Sink
from drivers.modbus import codec
from drivers.modbus.blocks import Packing, packing, plan
from drivers.modbus.poller import ANSWERS, Poller, PollPlan
from drivers.modbus.probing import Choice, OtherReadingError, Probing, repacked
from drivers.modbus.reading import CURRENTS, POWERS, Image, meter_reading, meter_registers
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Scheduler
from drivers.profile_schema import DeviceProfile
from drivers.setups import MeterSetup, Wire


def _fast(profile: DeviceProfile, fits: Packing) -> Wanted:
    """What is read at each poll, each current in one block with the power of its phase if that can be."""
    points = [codec.point(profile, name) for name in meter_registers(profile, "fast")]
    return Wanted(points, fits, together=(*CURRENTS, *POWERS))


def _slow(profile: DeviceProfile, fits: Packing) -> Wanted:
    return Wanted([codec.point(profile, name) for name in meter_registers(profile, "slow")], fits)


def has_signs(wire: Wire, profile: DeviceProfile) -> bool:
    """Whether the currents carry a sign on this wire (R8); without, it is of no use where power is exported."""
    return all(_has_signs(wire, reading) for reading in profile.readings)


def _has_signs(wire: Wire, profile: DeviceProfile) -> bool:
    wanted = _fast(profile, packing(wire, profile))
    blocks = plan(wanted.points, wanted.packing, wanted.together)
    block_of = {point.name: block for block in blocks for point in block.points}
    pairs = [pair for pair in zip(CURRENTS, POWERS, strict=True) if pair[0] in block_of]
    return all(block_of.get(power) is block_of[current] for current, power in pairs)


class ModbusMeter:
    def __init__(
        self, scheduler: Scheduler, setup: MeterSetup, profile: DeviceProfile, *, sink: Sink, fits: Packing
    ) -> None:
        self._scheduler, self._setup, self._sink, self._fits = scheduler, setup, sink, fits
        self._unit = scheduler.unit(setup.unit, profile.modbus.spacing_ms / 1000)
        self._probing = Probing(scheduler, profile, unit=setup.unit)
        self._profile: DeviceProfile
        self._adopt(Choice(next(profile.readings)))
        self._latest: MeterReading | None = None

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def health(self) -> Health:
        return self._poller.health

    @property
    def latest(self) -> MeterReading | None:
        return self._latest

    @property
    def period_s(self) -> float:
        return self._setup.period_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._poller.run()
            except OtherReadingError as other:
                self._adopt(other.choice)

    async def found(self) -> None:
        """Nothing is ever written to a meter; but it may not be the one that its device profile describes."""
        choice = await self._probing.choose()
        if choice.profile is not self._profile:
            raise OtherReadingError(choice)
        self._choice = choice

    async def slow(self) -> None:
        """Nothing to renew."""

    def seen(self, image: Image) -> None:
        reading = meter_reading(self._profile, self._setup, image)
        if reading is not None:
            self._latest = reading
            self._sink(MeterRead(self.id, reading))

    def health_changed(self, health: Health, text: str) -> None:
        told = self._choice.told if text == ANSWERS else ()
        self._sink(HealthChanged(self.id, health, "; ".join((text, *told)), time.monotonic()))

    def _adopt(self, choice: Choice) -> None:
        """Read the device so from now on."""
        self._choice, self._profile = choice, choice.profile
        fits = repacked(self._fits, choice.profile)
        elsewhere = self._probing.elsewhere(choice.profile)
        plan = PollPlan(_fast(choice.profile, fits), _slow(choice.profile, fits), self._setup.period_s, elsewhere)
        self._poller = Poller(self._scheduler, self._unit, plan=plan, device=self)
