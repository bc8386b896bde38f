"""One CAN bus as a component of the site (R36), with the groups of power modules that are on it."""

from drivers.api import BusFigures, Health, Sink
from drivers.can.bus import BACK_OFF_S, CanBus
from drivers.can.families.choice import family_of
from drivers.can.frame import CanLine
from drivers.can.group import ModuleGroup
from drivers.can.group_setup import GroupSetup
from drivers.can.module_profile import ModuleModel


class CanWire:
    def __init__(self, id: str, line: CanLine, sink: Sink, *, back_off_s: tuple[float, ...] = BACK_OFF_S) -> None:
        self.id = id
        self._sink = sink
        self._bus = CanBus(id, line, sink, back_off_s=back_off_s)
        self._groups: set[str] = set()

    @property
    def bitrate(self) -> int:
        return self._bus.bitrate

    @property
    def health(self) -> Health:
        return self._bus.health

    def group(self, setup: GroupSetup, model: ModuleModel) -> ModuleGroup:
        """Power modules on this bus that deliver as one. Who runs it says so by `join` and `leave`.

        Raises:
            ValueError: the setup does not suit the model, or the bus.
        """
        family = family_of(model.profile, model.frames)
        return ModuleGroup(setup, model.profile, family, bus=self._bus, sink=self._sink)

    def join(self, group: str) -> None:
        """Name a group among the devices of the bus.

        Raises:
            ValueError: one of this name is there.
        """
        if group in self._groups:
            raise ValueError(f"{group}: already on bus {self.id}")
        self._groups.add(group)

    def leave(self, group: str) -> None:
        self._groups.discard(group)

    async def run(self) -> None:
        """Serve until cancelled. A fault of the bus or of a device never ends it."""
        await self._bus.run()

    def figures(self) -> BusFigures:
        counted = self._bus.figures
        return BusFigures(
            bus=self.id,
            transactions=counted.sent + counted.received,
            errors=counted.garbled + counted.bus_errors + counted.no_ack + counted.overflows + counted.bus_offs,
            timeouts=counted.dropped,
            busy_s=self._bus.busy_s,
            devices=tuple(sorted(self._groups)),
        )
