"""What can go wrong on a CAN bus, as the one adapter on it sees it."""

import asyncio
import random
from dataclasses import dataclass

from sim.can.wire import BUS_OFF_CLASS, RESTARTED_CLASS, CanWire, WireFrame
from sim.clock import SimClock

KINDS = ("silent", "bus_off", "error_frames", "noise")
PROTOCOL_CLASS = 0x08
"""An error frame says: a bit or a form on the wire was wrong."""
LOOK_S = 0.05
"""How often faults that last are looked at, in real seconds."""


@dataclass(frozen=True, slots=True)
class CanFault:
    """`rate`: of frames (noise), or of looks at the wire (error_frames)."""

    kind: str
    rate: float
    until_s: float | None


class CanFaults:
    """Faults of one bus; setting a kind again replaces it."""

    def __init__(self, wire: CanWire, clock: SimClock, rng: random.Random) -> None:
        self._wire = wire
        self._clock = clock
        self._rng = rng
        self._active: dict[str, CanFault] = {}
        self._off = False
        wire.drop = self._lost

    @property
    def active(self) -> list[CanFault]:
        return list(self._active.values())

    def set(self, fault: CanFault) -> None:
        if fault.rate <= 0:
            self._active.pop(fault.kind, None)
        else:
            self._active[fault.kind] = fault
        self._look()

    def clear(self) -> None:
        self._active.clear()
        self._look()

    async def run(self) -> None:
        """Let faults begin, last and end, until cancelled."""
        while True:
            self._look()
            if "error_frames" in self._active and self._rng.random() < self._active["error_frames"].rate:
                self._wire.fail(PROTOCOL_CLASS)
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        """End what is over, and tell everybody when the controller goes bus-off or comes back."""
        now_s = self._clock.now_s
        self._active = {k: f for k, f in self._active.items() if f.until_s is None or now_s < f.until_s}
        off = "bus_off" in self._active
        if off != self._off:
            self._off = off
            self._wire.fail(BUS_OFF_CLASS if off else RESTARTED_CLASS)

    def _lost(self, frame: WireFrame) -> bool:
        if "silent" in self._active or "bus_off" in self._active:
            return True
        noise = self._active.get("noise")
        if noise is None or self._rng.random() >= noise.rate:
            return False
        self._wire.fail(PROTOCOL_CLASS)
        return True
