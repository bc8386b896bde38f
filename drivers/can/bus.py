"""The owner of one CAN bus: opens it, sends what waits, hands round what comes, and finds a lost one again."""

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from drivers.api import DeviceError, Fault, Health, HealthChanged, Sink
from drivers.can.frame import CanLine, Frame, IdFilter, Slcan, SocketCan
from drivers.can.link import Ear, Link
from drivers.can.outbox import Outbox, Priority, Waiting
from drivers.can.slcan import open_slcan
from drivers.can.socketcan import open_socketcan
from drivers.can.socketcand import open_socketcand
from drivers.can.trouble import ErrorState, Trouble

ROOM = 128
BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
GOOD_AFTER_S = 60.0
"""So long without a loss, and the next one is tried again after the shortest pause."""
FULL_PAUSE_S = 0.005
FULL_LIMIT_S = 2.0
"""A link that takes nothing for so long is closed: nobody acknowledges, or the adapter hangs."""
AHEAD = 4
"""Frames that the bus may still have to send while we give it another; more could not be overtaken by a cut."""
KNOWN_IDS = 4096

Receive = Callable[[Frame, float], None]
"""A frame and its monotonic receive time. Called in the event loop; must return at once and never raise."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CanFigures:
    """Counters since start, which never go down, and what the controller last said of itself."""

    state: ErrorState | None = None
    """None: the bus is closed, or nothing was said and nothing heard since it was opened."""
    received: int = 0
    unwanted: int = 0
    """Received, and nobody had subscribed to it."""
    sent: int = 0
    dropped: int = 0
    """Not sent: too late, pushed out by what was more urgent, or the bus was lost."""
    refused: int = 0
    garbled: int = 0
    no_ack: int = 0
    lost_arbitration: int = 0
    bus_errors: int = 0
    overflows: int = 0
    bus_offs: int = 0
    openings: int = 0
    sending_errors: int = 0
    """Error counter of the controller itself, 0 to 255, where it tells."""
    receiving_errors: int = 0


class CanBus:
    """One task (`run`) owns the link. Everything else is called in the same event loop."""

    def __init__(
        self, bus_id: str, line: CanLine, sink: Sink, *, back_off_s: tuple[float, ...] = BACK_OFF_S
    ) -> None:
        self.id = bus_id
        self._line = line
        self._sink = sink
        self._back_off_s = back_off_s
        self._health = Health.UNKNOWN
        self._outbox = Outbox(ROOM)
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self.opened_s = float("-inf")
        """When it was last opened: nothing heard before says whom it reaches now."""
        self._link: Link | None = None
        self._end: str | None = None
        self._subscribers: list[tuple[IdFilter, Receive]] = []
        self._routes: dict[int, tuple[Receive, ...]] = {}
        self._figures = CanFigures()
        self._bits = 0
        self._received = 0
        self._unwanted = 0
        self._sent = 0
        self._worst_cut_s = 0.0

    @property
    def bitrate(self) -> int:
        return self._line.bitrate

    @property
    def health(self) -> Health:
        return self._health

    async def drained(self) -> None:
        """Return when nothing waits that could be sent."""
        await self._drained.wait()

    @property
    def waiting(self) -> int:
        """Frames that are queued."""
        return len(self._outbox)

    @property
    def worst_cut_s(self) -> float:
        """The longest that an order to switch off waited until the link took it."""
        return self._worst_cut_s

    @property
    def busy_s(self) -> float:
        """Time since start that all frames which were sent and heard take on the wire, at the most."""
        return self._bits / self._line.bitrate

    @property
    def figures(self) -> CanFigures:
        dropped = self._figures.dropped + self._outbox.expired + self._outbox.pushed_out
        return replace(
            self._figures, received=self._received, unwanted=self._unwanted, sent=self._sent, dropped=dropped
        )

    def subscribe(self, wanted: IdFilter, receive: Receive) -> Callable[[], None]:
        """Have extended frames handed to `receive`; the returned call ends it."""
        entry = (wanted, receive)
        self._subscribers.append(entry)
        self._routes.clear()

        def unsubscribe() -> None:
            self._subscribers.remove(entry)
            self._routes.clear()

        return unsubscribe

    def post(self, frame: Frame, priority: Priority, *, within_s: float, slot: Hashable = None) -> None:
        """Queue a frame that is worth sending for `within_s`. What it did is for the device's answer to tell.

        Raises:
            DeviceError: the bus is not open (CLOSED), or the queue is full of what is as urgent (TIMEOUT).
        """
        if not frame.possible:
            raise ValueError(f"no CAN frame: {frame}")
        if self._link is None:
            raise DeviceError(Fault.CLOSED, f"bus {self.id} is not open")
        now_s = asyncio.get_running_loop().time()
        if not self._outbox.put(Waiting(frame, priority, now_s + within_s, slot, now_s)):
            self._count(refused=1)
            raise DeviceError(Fault.TIMEOUT, f"bus {self.id}: too many frames wait")
        self._drained.clear()
        self._wake.set()

    # What the link tells.

    def heard(self, frame: Frame) -> None:
        self._received += 1
        self._bits += frame.most_bits
        if self._figures.state is None:
            self._figures = replace(self._figures, state=ErrorState.ACTIVE)
        routes = self._routes.get(frame.id) if frame.extended else ()
        if routes is None:
            routes = self._route(frame.id)
        if not routes:
            self._unwanted += 1
            return
        now_s = asyncio.get_running_loop().time()
        for receive in routes:
            receive(frame, now_s)

    def troubled(self, trouble: Trouble) -> None:
        self._count(
            no_ack=trouble.no_ack,
            lost_arbitration=trouble.lost_arbitration,
            bus_errors=trouble.bus_error,
            overflows=trouble.overflow,
        )
        was = self._figures
        self._figures = replace(
            was,
            state=trouble.state or was.state,
            sending_errors=was.sending_errors if trouble.sending_errors is None else trouble.sending_errors,
            receiving_errors=was.receiving_errors if trouble.receiving_errors is None else trouble.receiving_errors,
        )
        if trouble.state is ErrorState.BUS_OFF and self._end is None:
            self._count(bus_offs=1)
            self.lost("bus-off: check wiring, termination (120 ohm at both ends) and bit rate")

    def garbled(self, text: str) -> None:
        self._count(garbled=1)
        _log.debug("bus %s: %s", self.id, text)

    def lost(self, text: str) -> None:
        if self._end is None:
            self._end = text
        self._wake.set()

    # The owner task.

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began_s = loop.time()
            self._changed(Health.LOST, await self._until_lost())
            failures = 0 if loop.time() - began_s > GOOD_AFTER_S else failures
            await asyncio.sleep(self._back_off_s[min(failures, len(self._back_off_s) - 1)])
            failures += 1

    async def _until_lost(self) -> str:
        """Keep the bus open as long as it works; the text says what ended it."""
        self._end = None
        try:
            self._link = link = await _open(self._line, self)
        except OSError as error:
            return str(error)
        try:
            self._count(openings=1)
            self.opened_s = asyncio.get_running_loop().time()
            self._changed(Health.OK, "open")
            return await self._send_on(link)
        except OSError as error:
            return str(error)
        finally:
            self._link = None
            link.close()
            self._count(dropped=self._outbox.clear())
            self._drained.set()
            self._figures = replace(self._figures, state=None)

    async def _send_on(self, link: Link) -> str:
        loop = asyncio.get_running_loop()
        free_s = loop.time()
        while self._end is None:
            waiting = self._outbox.take(loop.time())
            if waiting is None:
                self._drained.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._send(link, waiting)
            frame_s = waiting.frame.most_bits / self._line.bitrate
            free_s = max(free_s, loop.time()) + frame_s
            if free_s - loop.time() > AHEAD * frame_s:
                await asyncio.sleep(frame_s)
        return self._end

    async def _send(self, link: Link, waiting: Waiting) -> None:
        """Give a frame to the link; one that it cannot take waits, behind what becomes more urgent."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + FULL_LIMIT_S
        while not link.send(waiting.frame):
            if loop.time() > until_s:
                raise OSError("the bus takes no frames: does any device acknowledge?")
            self._outbox.put_back(waiting)
            await asyncio.sleep(FULL_PAUSE_S)
            later = self._outbox.take(loop.time())
            if later is None or self._end is not None:
                return
            waiting = later
        if waiting.priority is Priority.OFF:
            self._worst_cut_s = max(self._worst_cut_s, loop.time() - waiting.since_s)
        self._sent += 1
        self._bits += waiting.frame.most_bits

    def _route(self, can_id: int) -> tuple[Receive, ...]:
        if len(self._routes) >= KNOWN_IDS:
            self._routes.clear()
        routes = tuple(receive for wanted, receive in self._subscribers if wanted.takes(can_id))
        self._routes[can_id] = routes
        return routes

    def _count(self, **more: int) -> None:
        changed = {name: getattr(self._figures, name) + by for name, by in more.items() if by}
        if changed:
            self._figures = replace(self._figures, **changed)

    def _changed(self, health: Health, text: str) -> None:
        if health is self._health:
            return
        self._health = health
        _log.log(logging.INFO if health is Health.OK else logging.WARNING, "bus %s: %s", self.id, text)
        self._sink(HealthChanged(self.id, health, text, asyncio.get_running_loop().time()))


async def _open(line: CanLine, ear: Ear) -> Link:
    if isinstance(line, SocketCan):
        return await open_socketcan(line, ear)
    if isinstance(line, Slcan):
        return await open_slcan(line, ear)
    return await open_socketcand(line, ear)
