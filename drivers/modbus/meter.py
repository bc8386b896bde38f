"""A Modbus energy meter as a `Meter`."""

import time

from drivers.api import Health, HealthChanged, MeterRead, MeterReading, MeterSetup, Sink, Wire
from drivers.modbus import codec
from drivers.modbus.blocks import Packing, packing, plan
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.reading import CURRENTS, POWERS, Image, meter_reading, meter_registers
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Scheduler
from drivers.profile_schema import DeviceProfile


def _fast(profile: DeviceProfile, fits: Packing) -> Wanted:
    """What is read at each poll, each current in one block with the power of its phase if that can be."""
    points = [codec.point(profile, name) for name in meter_registers(profile, "fast")]
    return Wanted(points, fits, together=(*CURRENTS, *POWERS))


def _slow(profile: DeviceProfile, fits: Packing) -> Wanted:
    return Wanted([codec.point(profile, name) for name in meter_registers(profile, "slow")], fits)


def has_signs(wire: Wire, profile: DeviceProfile) -> bool:
    """Whether the currents carry a sign on this wire (R8); without, it is of no use where power is exported."""
    wanted = _fast(profile, packing(wire, profile))
    blocks = plan(wanted.points, wanted.packing, wanted.together)
    block_of = {point.name: block for block in blocks for point in block.points}
    pairs = [pair for pair in zip(CURRENTS, POWERS, strict=True) if pair[0] in block_of]
    return all(block_of.get(power) is block_of[current] for current, power in pairs)


class ModbusMeter:
    def __init__(
        self, scheduler: Scheduler, setup: MeterSetup, profile: DeviceProfile, *, sink: Sink, fits: Packing
    ) -> None:
        self._setup, self._profile, self._sink = setup, profile, sink
        unit = scheduler.unit(setup.unit, profile.modbus.spacing_ms / 1000)
        polled = PollPlan(_fast(profile, fits), _slow(profile, fits), setup.period_s)
        self._poller = Poller(scheduler, unit, plan=polled, device=self)
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
        await self._poller.run()

    async def found(self) -> None:
        """Nothing is ever written to a meter."""

    async def slow(self) -> None:
        """Nothing to renew."""

    def seen(self, image: Image) -> None:
        reading = meter_reading(self._profile, self._setup, image)
        if reading is not None:
            self._latest = reading
            self._sink(MeterRead(self.id, reading))

    def health_changed(self, health: Health, text: str) -> None:
        self._sink(HealthChanged(self.id, health, text, time.monotonic()))
