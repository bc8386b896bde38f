"""An I/O module with contactors of a switching matrix: coils out, auxiliary contacts in."""

import time
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from drivers.api import Health
from drivers.modbus import codec, pdu
from drivers.modbus.blocks import Packing
from drivers.modbus.bus import Place
from drivers.modbus.codec import Point
from drivers.modbus.poller import Poller, PollPlan
from drivers.modbus.reading import Image
from drivers.modbus.sampler import Wanted
from drivers.modbus.scheduler import Urgency
from drivers.profile_schema import Table
from drivers.setups import Line

PERIOD_RTU_S, PERIOD_TCP_S = 0.5, 0.25
FRESH_S = 2.0
"""A state that was read longer ago is not known any more."""
WIDEST = 64
"""Most coils or inputs of one read, holes included."""


class Seen(NamedTuple):
    on: bool
    t_s: float


class Board:
    """All contactors behind one unit. A coil is written by the one mover only."""

    def __init__(
        self, id: str, place: Place, unit: int, *, pairs: Sequence[tuple[int, int]], changed: Callable[[], None]
    ) -> None:
        """`pairs`: coil and input of each contactor. `changed` is called after each reading, and on its loss."""
        self.id = id
        self._unit, self._scheduler, self._changed = unit, place.scheduler, changed
        points = [
            *(_point("coil", coil) for coil, _ in pairs),
            *(_point("discrete", feedback) for _, feedback in pairs),
        ]
        fits = Packing(longest=WIDEST, hole=WIDEST, max_block=WIDEST)
        period_s = PERIOD_RTU_S if isinstance(place.wire, Line) else PERIOD_TCP_S
        plan = PollPlan(Wanted(_unique(points), fits), Wanted((), fits), period_s)
        self._poller = Poller(place.scheduler, place.scheduler.unit(unit), plan=plan, device=self)
        self._states: dict[str, Seen] = {}
        self._feedbacks = dict(pairs)
        self._since_s: dict[str, float] = {}
        """What was read before it, or while it was under way, shows nothing of the last switching."""

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._poller.run()
        finally:
            self._states.clear()

    def coil(self, address: int, now_s: float) -> Seen | None:
        """What the coil is commanded to; None: not known now."""
        return self._now(f"coil_{address}", now_s)

    def feedback(self, address: int, now_s: float) -> Seen | None:
        """Whether the auxiliary contact shows its contactor closed; None: not known now."""
        return self._now(f"discrete_{address}", now_s)

    def _now(self, name: str, now_s: float) -> Seen | None:
        seen = self._states.get(name)
        return seen if seen is not None and now_s - seen.t_s <= FRESH_S else None

    async def switch(self, coil: int, *, on: bool) -> None:
        """Return once the module acknowledged; whether the contactor followed is for the feedback to tell.

        Raises:
            DeviceError: not acknowledged.
        """
        request = pdu.write(self._unit, 5, address=coil, words=(int(on),))
        names = (f"coil_{coil}", f"discrete_{self._feedbacks[coil]}")
        self._doubt(names)
        try:
            await self._scheduler.transfer(request, Urgency.WRITE if on else Urgency.SAFETY)
        finally:
            self._doubt(names)

    def _doubt(self, names: Iterable[str]) -> None:
        for name in names:
            self._states.pop(name, None)
            self._since_s[name] = time.monotonic()

    # What the poller tells.

    async def found(self) -> None:
        """Nothing is set up: it is only read until the mover decides."""

    def seen(self, image: Image) -> None:
        for name, sample in image.items():
            raw = codec.raw(sample.point, sample.words)
            if raw in (0, 1) and sample.t_s > self._since_s.get(name, float("-inf")):
                self._states[name] = Seen(raw == 1, sample.t_s)
        self._changed()

    async def slow(self) -> None:
        """Nothing to renew."""

    def health_changed(self, health: Health, text: str) -> None:
        if health is Health.LOST:
            self._states.clear()
        self._changed()


def _point(table: Table, address: int) -> Point:
    return Point(
        name=f"{table}_{address}",
        table=table,
        address=address,
        width=1,
        type="bool",
        high_word_first=True,
        scale=Fraction(1),
        low=None,
        high=None,
        sentinels=(),
        write_fc=None,
        readable=True,
    )


def _unique(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple({point.name: point for point in points}.values())
