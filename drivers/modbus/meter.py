"""A Modbus energy meter as a `Meter`."""

import time

from drivers.api import Health, HealthChanged, MeterRead, MeterReading, MeterSetup, Sink
from drivers.modbus import codec
from drivers.modbus.blocks import Packing
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.reading import CURRENTS, POWERS, Image, meter_reading, meter_registers
from drivers.modbus.scheduler import Scheduler
from drivers.profile_schema import DeviceProfile


class ModbusMeter:
    def __init__(
        self, scheduler: Scheduler, setup: MeterSetup, profile: DeviceProfile, *, sink: Sink, packing: Packing
    ) -> None:
        self._setup, self._profile, self._sink = setup, profile, sink
        unit = scheduler.unit(setup.unit, profile.modbus.spacing_ms / 1000)
        points = [codec.point(profile, name) for name in meter_registers(profile)]
        plan = PollPlan(points, packing, setup.period_s, together=(*CURRENTS, *POWERS))
        self._poller = Poller(scheduler, unit, plan=plan, device=self)
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
