"""One CAN bus as a component of the site (R36), with the groups of power modules that are on it."""

import asyncio
import contextlib

from drivers.api import BusFigures, Health, Sink
from drivers.can.bus import BACK_OFF_S, CanBus
from drivers.can.families.choice import family_of
from drivers.can.frame import CanLine
from drivers.can.group import FAREWELL_S, ModuleGroup
from drivers.can.group_setup import GroupSetup
from drivers.can.module_profile import ModuleModel
from drivers.can.scan import CanScan
from drivers.can.scan_running import Sought, Watch, scan_running_bus

LAST_WORDS_S = FAREWELL_S + 1.0
"""When the service stops, so long the wire stays open for what its groups have to say: off."""
ON_THE_WIRE_S = 0.05


class CanWire:
    def __init__(self, id: str, line: CanLine, sink: Sink, *, back_off_s: tuple[float, ...] = BACK_OFF_S) -> None:
        self.id = id
        self.line = line
        self._sink = sink
        self._bus = CanBus(id, line, sink, back_off_s=back_off_s)
        self._groups: set[str] = set()
        self._alone = asyncio.Event()
        self._alone.set()

    @property
    def bitrate(self) -> int:
        return self._bus.bitrate

    @property
    def health(self) -> Health:
        return self._bus.health

    @property
    def opened_s(self) -> float:
        return self._bus.opened_s

    def group(self, setup: GroupSetup, model: ModuleModel) -> ModuleGroup:
        """Power modules on this bus that deliver as one. Who runs it says so by `join` and `leave`.

        Raises:
            ValueError: the setup does not suit the model, or the bus.
        """
        family = family_of(model.profile, model.frames)
        return ModuleGroup(setup, model.profile, family, bus=self._bus, sink=self._sink)

    async def search(self, sought: Sought, watch: Watch) -> CanScan:
        """Look for modules that are not the site's, beside the work of those that are (R39).

        Raises:
            DeviceError: CLOSED, the bus is not open or was lost; TIMEOUT, it is too busy.
        """
        return await scan_running_bus(self._bus, self.line, sought, watch)

    def join(self, group: str) -> None:
        """Name a group among the devices of the bus.

        Raises:
            ValueError: one of this name is there.
        """
        if group in self._groups:
            raise ValueError(f"{group}: already on bus {self.id}")
        self._groups.add(group)
        self._alone.clear()

    def leave(self, group: str) -> None:
        self._groups.discard(group)
        if not self._groups:
            self._alone.set()

    async def run(self) -> None:
        """Serve until cancelled, and then until the groups are gone and what they said last is sent.

        A fault of the bus or of a device never ends it.
        """
        serving = asyncio.create_task(self._bus.run(), name=f"bus {self.id}")
        try:
            await asyncio.wait([serving])
            serving.result()
        finally:
            try:
                await self._last_words()
            finally:
                serving.cancel()
                await asyncio.wait([serving])

    async def _last_words(self) -> None:
        """Modules without a time-out of their own would deliver for ever what they were asked for last."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._alone.wait()
                await self._bus.drained()
        if self.health is Health.OK:
            await asyncio.sleep(ON_THE_WIRE_S)

    def figures(self) -> BusFigures:
        counted = self._bus.figures
        return BusFigures(
            bus=self.id,
            transactions=counted.sent + counted.received,
            errors=counted.garbled + counted.bus_errors + counted.no_ack + counted.overflows + counted.bus_offs,
            timeouts=counted.dropped,
            busy_s=self._bus.busy_s,
            devices=tuple(sorted(self._groups)),
            faults={
                "garbled": counted.garbled,
                "bus-error": counted.bus_errors,
                "no-ack": counted.no_ack,
                "overflow": counted.overflows,
                "bus-off": counted.bus_offs,
                "dropped": counted.dropped,
                "refused": counted.refused,
            },
            waiting=self._bus.waiting,
            worst_cut_s=self._bus.worst_cut_s,
        )
