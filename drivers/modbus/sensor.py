"""One register of a device without a profile, polled as a `SensorRead`: a limit or an input of somebody's PLC."""

import time

from drivers.api import Health, HealthChanged, SensorRead, Sink
from drivers.modbus import codec
from drivers.modbus.blocks import Packing
from drivers.modbus.codec import Point
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.reading import Image
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Scheduler
from drivers.profile_schema import WIDTHS
from drivers.setups import RegisterSetup

NAME = "value"
ALONE = Packing(longest=4, hole=0, max_block=4)


def _point(setup: RegisterSetup) -> Point:
    return Point(
        name=NAME,
        table=setup.table,
        address=setup.address,
        width=WIDTHS[setup.type],
        type=setup.type,
        high_word_first=setup.high_word_first,
        scale=setup.scale,
        low=None,
        high=None,
        sentinels=(),
        write_fc=None,
        readable=True,
    )


class ModbusSensor:
    def __init__(self, scheduler: Scheduler, setup: RegisterSetup, *, sink: Sink) -> None:
        self._setup, self._sink = setup, sink
        polled = PollPlan(Wanted([_point(setup)], ALONE), Wanted([], ALONE), setup.period_s)
        self._poller = Poller(scheduler, scheduler.unit(setup.unit), plan=polled, device=self)

    @property
    def id(self) -> str:
        return self._setup.id

    async def run(self) -> None:
        """Until cancelled."""
        await self._poller.run()

    async def found(self) -> None:
        """Nothing is ever written to it."""

    async def slow(self) -> None:
        """Nothing to renew."""

    def seen(self, image: Image) -> None:
        sample = image[NAME]
        self._sink(SensorRead(self.id, self._value(sample.words), sample.t_s))

    def _value(self, words: tuple[int, ...]) -> int | None:
        point = _point(self._setup)
        if self._setup.bit is None:
            found = codec.value(point, words)
        else:
            raw = codec.raw(point, words)
            found = raw >> self._setup.bit & 1 if isinstance(raw, int) else None
        return found if isinstance(found, int) else None

    def health_changed(self, health: Health, text: str) -> None:
        self._sink(HealthChanged(self.id, health, text, time.monotonic()))
