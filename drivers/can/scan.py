"""Finds power modules on a CAN bus: listens first, then asks each shipped family's modules who they are.

Nothing is switched and no output is set. A frame at a wrong bit rate disturbs whoever talks on the bus, so nothing
is sent where anything was heard, and only at bit rates that the caller names.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.api import DeviceError, Fault
from drivers.can.families.choice import family_of
from drivers.can.families.told import Family
from drivers.can.frame import CanLine, Frame, Slcan, SocketCan
from drivers.can.link import Link
from drivers.can.module_profile import ModuleModel
from drivers.can.slcan import open_slcan
from drivers.can.socketcan import open_socketcan
from drivers.can.socketcand import open_socketcand
from drivers.can.trouble import ErrorState, Trouble

BITRATES = (125_000, 250_000, 500_000, 100_000, 50_000, 1_000_000)
PACE_S = 0.003
"""Between two questions, beyond the time of a frame: the bus is mostly free for answers."""
FULL_S = 2.0
"""A link that takes nothing for so long has nobody who acknowledges."""
SHOWN = 4
"""Unknown identifiers that are named."""

Told = Callable[[str, int, int], None]
"""What is done now, how many steps of this part are done, and of how many."""


@dataclass(frozen=True, slots=True)
class CanPatience:
    listen_s: float = 3.0
    """Controllers of power modules ask at least each second."""
    answer_s: float = 0.4


@dataclass(frozen=True, slots=True)
class Modules:
    """Modules of one model that were heard on a bus."""

    line: CanLine
    model: ModuleModel
    addresses: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CanScan:
    """`heard`: somebody talks on the bus, asked or not."""

    modules: tuple[Modules, ...] = ()
    notes: tuple[str, ...] = ()
    heard: bool = False


@dataclass(slots=True)
class _Ears:
    """All that comes over a link while it is open."""

    frames: list[Frame] = field(default_factory=list)
    refused: bool = False
    """The adapter did not do something that it was told, such as to listen only."""
    unanswered: bool = False
    """Nobody acknowledges: no other node, or another bit rate."""
    end: str | None = None

    def heard(self, frame: Frame) -> None:
        self.frames.append(frame)

    def troubled(self, trouble: Trouble) -> None:
        self.refused = self.refused or trouble.overflow
        errors = trouble.bus_error or trouble.state in (ErrorState.PASSIVE, ErrorState.BUS_OFF)
        self.unanswered = self.unanswered or trouble.no_ack or errors

    def garbled(self, text: str) -> None:
        """A frame that is none says nothing about who is there."""

    def lost(self, text: str) -> None:
        self.end = text


async def listen_can(
    lines: Sequence[CanLine], models: Sequence[ModuleModel], *, told: Told, patience: CanPatience | None = None
) -> CanScan:
    """Whether somebody talks at one of these settings of one bus. Adapters are told to be silent themselves.

    Raises:
        DeviceError: CLOSED, the bus cannot be opened.
    """
    wait = patience or CanPatience()
    notes: list[str] = []
    for done, line in enumerate(lines):
        told(f"listening at {line.bitrate} bit/s", done, len(lines))
        ears = _Ears()
        link = await _open(line, ears, silent=True)
        try:
            await asyncio.sleep(wait.listen_s)
        finally:
            link.close()
        if ears.end is not None:
            raise DeviceError(Fault.CLOSED, ears.end)
        if ears.frames:
            return _overheard(line, ears.frames, models)
        if ears.refused and isinstance(line, Slcan) and not notes:
            notes.append("the adapter refused a command: perhaps it cannot only listen, and heard nothing for that")
        notes += [
            f"{line.bitrate} bit/s: errors, but no frame: another bit rate, or no termination"
        ] * ears.unanswered
    return CanScan(notes=tuple(notes))


async def ask_can(
    lines: Sequence[CanLine], models: Sequence[ModuleModel], *, told: Told, patience: CanPatience | None = None
) -> CanScan:
    """Ask at each of these settings until somebody answers. Where somebody talks already nothing is sent.

    Raises:
        DeviceError: CLOSED, the bus cannot be opened, or went away.
    """
    notes: list[str] = []
    for line in lines:
        found = await _ask(line, models, told=told, wait=patience or CanPatience())
        notes += found.notes
        if found.heard:
            return CanScan(found.modules, tuple(notes), heard=True)
    return CanScan(notes=tuple(notes))


async def _ask(line: CanLine, models: Sequence[ModuleModel], *, told: Told, wait: CanPatience) -> CanScan:
    ears = _Ears()
    link = await _open(line, ears, silent=False)
    try:
        told(f"listening at {line.bitrate} bit/s", 0, 0)
        await asyncio.sleep(wait.listen_s)
        if ears.frames:
            return _overheard(line, ears.frames, models)
        ears.unanswered = False
        questions = list(_questions(models))
        for done, (what, frame) in enumerate(questions):
            told(f"{line.bitrate} bit/s: {what}", done, len(questions))
            if not await _send(link, frame) or ears.unanswered or ears.end is not None:
                break
            await asyncio.sleep(frame.most_bits / line.bitrate + PACE_S)
        await asyncio.sleep(wait.answer_s)
    except OSError as error:
        raise DeviceError(Fault.CLOSED, str(error)) from error
    finally:
        link.close()
    if ears.end is not None:
        raise DeviceError(Fault.CLOSED, ears.end)
    return _answered(line, ears, models)


def _questions(models: Iterable[ModuleModel]) -> Iterator[tuple[str, Frame]]:
    """To everybody first, then address by address; the same question of two models is put once."""
    asked: set[Frame] = set()
    for model in models:
        family, bounds = family_for(model), model.profile.address
        frames = [*family.find()]
        for address in range(bounds.first, bounds.last + 1):
            frames += family.describe(address)
        for frame in frames:
            if frame not in asked:
                asked.add(frame)
                yield model.id, frame


async def _send(link: Link, frame: Frame) -> bool:
    """False: the link takes no more.

    Raises:
        OSError: it is gone.
    """
    for _ in range(int(FULL_S / PACE_S)):
        if link.send(frame):
            return True
        await asyncio.sleep(PACE_S)
    return False


def _overheard(line: CanLine, frames: Sequence[Frame], models: Sequence[ModuleModel]) -> CanScan:
    found = tuple(modules_in(line, frames, models))
    names = ", ".join(f"{one:X}" for one in sorted({frame.id for frame in frames})[:SHOWN])
    note = (
        f"somebody else talks on this bus at {line.bitrate} bit/s (identifiers such as {names}): another "
        "controller, or devices of another kind. Nothing was sent. Disconnect the other controller, then scan again"
    )
    return CanScan(found, (note,), heard=True)


def _answered(line: CanLine, ears: _Ears, models: Sequence[ModuleModel]) -> CanScan:
    found = tuple(modules_in(line, ears.frames, models))
    if found:
        return CanScan(found, heard=True)
    if ears.frames:
        return CanScan(notes=(f"{line.bitrate} bit/s: answers that fit no module profile",), heard=True)
    why = (
        "nobody acknowledges: nobody is there, another bit rate, or no termination"
        if ears.unanswered
        else "silence"
    )
    return CanScan(notes=(f"{line.bitrate} bit/s: {why}",))


def modules_in(line: CanLine, frames: Sequence[Frame], models: Iterable[ModuleModel]) -> Iterator[Modules]:
    """The modules that these frames come from, model by model."""
    for model in models:
        identities, notes = _spoken(family_for(model), frames)
        bounds = model.profile.address
        addresses = tuple(sorted(one for one in identities if bounds.first <= one <= bounds.last))
        if addresses:
            yield Modules(line, model, addresses, notes)


def _spoken(family: Family, frames: Iterable[Frame]) -> tuple[Mapping[int, set[int]], tuple[str, ...]]:
    """The addresses that answer, with what tells two modules at one of them apart."""
    found: dict[int, set[int]] = {}
    garbled = 0
    for frame in frames:
        try:
            told = family.read(frame) if frame.extended else None
        except DeviceError:
            garbled += 1
            continue
        if told is not None:
            found.setdefault(told.address, set()).update(() if told.identity is None else (told.identity,))
    twice = [str(address) for address, ids in sorted(found.items()) if len(ids) > 1]
    notes = [f"two modules have address {', '.join(twice)}"] if twice else []
    notes += [f"{garbled} frames that make no sense"] if garbled else []
    return found, tuple(notes)


def family_for(model: ModuleModel) -> Family:
    return family_of(model.profile, model.frames)


async def _open(line: CanLine, ears: _Ears, *, silent: bool) -> Link:
    """`silent`: the adapter shall not even acknowledge, where it can be told so.

    Raises:
        DeviceError: CLOSED.
    """
    try:
        if isinstance(line, SocketCan):
            return await open_socketcan(line, ears)
        if isinstance(line, Slcan):
            return await open_slcan(line, ears, listen_only=silent)
        return await open_socketcand(line, ears)
    except OSError as error:
        raise DeviceError(Fault.CLOSED, str(error)) from error
