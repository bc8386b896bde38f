"""Asks units of a wire that a running site has: after everything else, and with a small share of its time (R39)."""

import asyncio

from drivers.modbus.link import Answer
from drivers.modbus.pdu import Request
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.unit import GUEST, Unit

SPACING_S = 0.1
"""Between reads of one unit: some meters restart when they are read faster."""
CALM_S = 0.1
LOOKS = 30
"""So often is waited for a device of the site that has just missed, which a late answer to us may have been."""


class Guest:
    """What it learns of units that are not the site's is forgotten with it."""

    def __init__(self, scheduler: Scheduler, *, writes: bool = False) -> None:
        self._scheduler, self._writes = scheduler, writes
        self._units: dict[int, Unit] = {}

    async def transfer(self, request: Request, urgency: Urgency) -> Answer:
        """At the lowest urgency, whatever was asked for.

        Raises:
            DeviceError: not answered, or refused; CLOSED while the wire is down.
            ValueError: a write, where this guest only reads.
        """
        del urgency
        if not (request.is_read or self._writes):
            raise ValueError(f"a scan only reads: {request}")
        await self._calm()
        return await self._scheduler.transfer(request, Urgency.PROBE, guest=self._unit(request.unit))

    def _unit(self, number: int) -> Unit | None:
        """None: the site's own unit, which its devices know best."""
        own = self._scheduler.units.get(number)
        if own is not None and own.devices:
            return None
        if number not in self._units:
            self._units[number] = Unit(number, GUEST, spacing_s=SPACING_S, guest=True)
        return self._units[number]

    async def _calm(self) -> None:
        for _ in range(LOOKS):
            if not self._scheduler.troubled:
                return
            await asyncio.sleep(CALM_S)
