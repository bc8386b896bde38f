"""Looks for power modules on a bus that a running site drives its own with, beside them (R39).

Only the addresses that the site does not have are asked, one by one, with the frame by which a family asks a single
module who it is. No frame goes to all: a module of the site that fell silent would hear it, and its own time-out,
by which it switches off, would begin anew. Where somebody else talks, or the bus has errors, nothing is sent.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import DeviceError, Fault, Health
from drivers.can.bus import CanFigures, Receive
from drivers.can.frame import CanLine, Frame, IdFilter
from drivers.can.module_profile import ModuleModel
from drivers.can.outbox import Priority
from drivers.can.scan import CanPatience, CanScan, Modules, Told, family_for, modules_in
from drivers.can.trouble import ErrorState

SHARE = 0.05
"""Of the bus, for questions and their answers."""
LEAST_PAUSE_S = 0.01
TURN_S = 2.0
"""A question that has not found its turn by then is put again."""
TRIES = 3
STRIKES = 3
"""So many questions that were followed by errors on the bus end the search: two modules at one address answer with
the same identifier, which destroys both frames, and disturbs those that deliver."""
EACH = 8
"""Frames kept of one identifier."""
MOST_IDS = 4096
SHOWN = 4

Member = tuple[str, int]
"""Protocol (`driver` of the model) and address of a module."""


class Host(Protocol):
    """The owner of the bus."""

    @property
    def bitrate(self) -> int: ...

    @property
    def health(self) -> Health: ...

    @property
    def figures(self) -> CanFigures: ...

    def subscribe(self, wanted: IdFilter, receive: Receive) -> Callable[[], None]: ...

    def post(self, frame: Frame, priority: Priority, *, within_s: float) -> None: ...

    async def drained(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sought:
    """`known`: modules of the site, which a reload may change, and which are not asked. `addresses`: only these."""

    models: Sequence[ModuleModel]
    known: Callable[[], Collection[Member]]
    addresses: Collection[int] = ()
    patience: CanPatience = field(default_factory=CanPatience)


@dataclass(frozen=True, slots=True)
class Watch:
    """Told of each step, and of all strangers as soon as there is one more."""

    told: Told
    found: Callable[[Sequence[Modules]], None]


@dataclass(slots=True)
class _Heard:
    """Frames by identifier. `ours`: identifiers by which modules of the site speak, once they are known."""

    frames: dict[int, list[Frame]] = field(default_factory=dict)
    ours: frozenset[int] = frozenset()
    fresh: bool = False

    def receive(self, frame: Frame, t_s: float) -> None:
        del t_s
        if frame.id in self.ours:
            return
        kept = self.frames.get(frame.id)
        if kept is None and len(self.frames) < MOST_IDS:
            kept = self.frames[frame.id] = []
        if kept is not None and len(kept) < EACH:
            kept.append(frame)
            self.fresh = True

    def sort_out(self, ours: Collection[int]) -> None:
        self.ours = frozenset(ours)
        self.frames = {can_id: kept for can_id, kept in self.frames.items() if can_id not in self.ours}


async def scan_running_bus(host: Host, line: CanLine, sought: Sought, watch: Watch) -> CanScan:
    """Listen, then ask, while the site goes on.

    Raises:
        DeviceError: CLOSED, the bus is not open or was lost; TIMEOUT, it is too busy.
    """
    if host.health is not Health.OK:
        raise DeviceError(Fault.CLOSED, "the bus is not open: see the alarms")
    heard = _Heard()
    end = host.subscribe(IdFilter(0, 0), heard.receive)
    try:
        return await _Search(host, line, sought, watch, heard).run()
    finally:
        end()


class _Search:
    def __init__(self, host: Host, line: CanLine, sought: Sought, watch: Watch, heard: _Heard) -> None:
        self._host, self._line, self._sought, self._watch, self._heard = host, line, sought, watch, heard
        self._models = [one for one in sought.models if one.profile.can.bitrate in (None, host.bitrate)]
        self._shown: tuple[Modules, ...] = ()
        self._strikes: list[str] = []

    async def run(self) -> CanScan:
        before = self._host.figures
        self._watch.told(f"listening at {self._line.bitrate} bit/s", 0, 0)
        await asyncio.sleep(self._sought.patience.listen_s)
        spoke = self._of_site()
        notes = tuple(self._silent(set(spoke.values())))
        self._heard.sort_out(spoke.keys())
        why_not = self._why_not_ask(before)
        notes += (why_not,) if why_not else await self._ask_all(alone=not spoke)
        self._show()
        return CanScan(self._shown, notes, heard=bool(spoke or self._heard.frames))

    def _of_site(self) -> dict[int, Member]:
        """Identifiers that are answers of modules of the site, with whose."""
        known = set(self._sought.known())
        drivers = {driver for driver, _ in known}
        models = [one for one in self._models if one.profile.driver in drivers]
        told = ((can_id, _speaker(model, kept)) for can_id, kept in self._heard.frames.items() for model in models)
        return {can_id: member for can_id, member in told if member in known and member is not None}

    def _silent(self, spoke: Collection[Member]) -> Iterator[str]:
        """Modules of the site that said nothing though it asks them."""
        missing = sorted(address for driver, address in set(self._sought.known()).difference(spoke))
        if missing:
            yield f"of the modules of this site nothing was heard from address {', '.join(map(str, missing))}"

    def _why_not_ask(self, before: CanFigures) -> str | None:
        now = self._host.figures
        if _errors(now) > _errors(before) or now.state not in (None, ErrorState.ACTIVE):
            return (
                "the bus has errors: check wiring and termination (120 ohm at both ends). Nothing was sent, for "
                "the sake of the modules that deliver"
            )
        names = [f"{can_id:X}" for can_id in sorted(self._heard.frames)[:SHOWN]]
        if now.unwanted > before.unwanted:  # every long identifier is wanted, by us
            names.append("short ones of 11 bits")
        if not names:
            return None
        return (
            f"somebody else talks on this bus (identifiers such as {', '.join(names)}): another controller, or "
            "devices of another kind. Nothing was sent. Disconnect it, then search again"
        )

    async def _ask_all(self, *, alone: bool) -> tuple[str, ...]:
        """What there is to say. `alone`: nobody of the site was heard."""
        questions = list(self._questions())
        if not questions:
            return ("no model of power modules has an address that could be asked on this bus",)
        for done, (model, address, frame) in enumerate(questions):
            if (model.profile.driver, address) in self._sought.known():
                continue  # since a reload
            self._watch.told(f"address {address}: is it {model.id}?", done, len(questions))
            if not await self._ask(frame, f"{address} ({model.profile.driver})"):
                return (self._struck(alone and not self._heard.frames),)
        await asyncio.sleep(self._sought.patience.answer_s)
        return ()

    def _struck(self, alone: bool) -> str:
        if alone:
            return "nobody acknowledges: nobody is there, another bit rate, or no termination"
        where = ", ".join(self._strikes)
        return (
            f"the bus had errors after questions to address {where}: perhaps two modules have that address. The "
            "search ended there, so that the modules that deliver are left alone"
        )

    def _questions(self) -> Iterator[tuple[ModuleModel, int, Frame]]:
        """The same question of two models is put once."""
        known, wanted, put = self._sought.known(), self._sought.addresses, set[Frame]()
        for model in self._models:
            family, bounds = family_for(model), model.profile.address
            for address in range(bounds.first, bounds.last + 1):
                if (model.profile.driver, address) in known or (wanted and address not in wanted):
                    continue
                fresh = [frame for frame in family.describe(address) if frame not in put]
                put.update(fresh)
                yield from ((model, address, frame) for frame in fresh)

    async def _ask(self, frame: Frame, name: str) -> bool:
        """False: the bus had errors too often."""
        before = self._host.figures
        await self._put(frame)
        await asyncio.sleep(max(LEAST_PAUSE_S, 2 * frame.most_bits / self._line.bitrate / SHARE))
        self._show()
        if _errors(self._host.figures) > _errors(before):
            self._strikes.append(name)
        return len(self._strikes) < STRIKES

    async def _put(self, frame: Frame) -> None:
        """Until it went out: whatever else waits is more urgent, and may push it out.

        Raises:
            DeviceError: CLOSED; TIMEOUT, others leave no room.
        """
        for _ in range(TRIES):
            if await self._went_out(frame):
                return
            await asyncio.sleep(LEAST_PAUSE_S)
        raise DeviceError(Fault.TIMEOUT, "the bus has no room for a search beside the work of its modules")

    async def _went_out(self, frame: Frame) -> bool:
        dropped = self._host.figures.dropped
        try:
            self._host.post(frame, Priority.PROBE, within_s=TURN_S)
            async with asyncio.timeout(TURN_S):
                await self._host.drained()
        except TimeoutError:
            return False
        except DeviceError as error:
            if error.fault is not Fault.TIMEOUT:
                raise
            return False
        return self._host.figures.dropped == dropped

    def _show(self) -> None:
        if not self._heard.fresh:
            return
        self._heard.fresh = False
        strangers = tuple(self._strangers())
        if strangers != self._shown:
            self._shown = strangers
            self._watch.found(strangers)

    def _strangers(self) -> Iterator[Modules]:
        known = self._sought.known()
        frames = [frame for kept in self._heard.frames.values() for frame in kept]
        for one in modules_in(self._line, frames, self._models):
            rest = tuple(at for at in one.addresses if (one.model.profile.driver, at) not in known)
            if rest:
                yield Modules(one.line, one.model, rest, one.notes)


def _speaker(model: ModuleModel, frames: Sequence[Frame]) -> Member | None:
    """Whose answers these are; None: no answers of that family."""
    family = family_for(model)
    for frame in frames:
        try:
            told = family.read(frame)
        except DeviceError:
            continue
        if told is not None:
            return model.profile.driver, told.address
    return None


def _errors(figures: CanFigures) -> int:
    return figures.bus_errors + figures.no_ack + figures.bus_offs
