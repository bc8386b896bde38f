"""Finds Modbus devices on a serial wire or in a range of addresses, and says which device profiles they fit (R39).

Nothing is ever written. Units that devices come with are asked at all settings first, then all other units at the
settings at which somebody answered. A wire that a running site has is asked through its own scheduler, at the
settings that it has.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from drivers.api import DeviceError, Fault
from drivers.modbus.pdu import ExceptionAnswerError, Request
from drivers.modbus.scheduler import Asks, Scheduler, Urgency
from drivers.modbus.survey import on_wire
from drivers.modbus.survey_line import REPEATS, Patience, Present, Survey
from drivers.modbus.survey_match import Match, Witness, identify, speaks
from drivers.modbus.unit import Timing
from drivers.profile_schema import DeviceProfile
from drivers.setups import Endpoint, Line, Wire

BAUDS = (9600, 19200, 115200, 38400, 57600)
FORMATS = (("N", 1), ("E", 1), ("N", 2))
SERIAL_UNITS = range(1, 248)
FEW = range(1, 11)
AT_ONCE = 16
"""TCP hosts that are asked at the same time."""
TIMING = Timing(first_s=0.4, floor_s=0.2)
EVERYBODY = 5
"""A TCP device that answers so many units, and all that it was asked for, does not look at the unit."""

Told = Callable[[str, int, int], None]
"""What is done now, how many steps of this part are done, and of how many."""
Profiles = Mapping[str, DeviceProfile]


@dataclass(frozen=True, slots=True)
class Device:
    """A unit that answers, and the device profiles that it fits, the best first."""

    wire: Wire
    unit: int
    matches: tuple[Match, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """A wire that is in use, and what of it to scan. `known`: units of the site, which are not asked."""

    guest: Asks
    wire: Wire
    units: Sequence[int]
    known: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found; `notes` concern whole wires."""

    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """How thorough a serial scan is. `bauds` None: the common ones. `full`: all units at all settings."""

    bauds: Sequence[int] | None = None
    units: Sequence[int] = SERIAL_UNITS
    full: bool = False
    patience: Patience = field(default_factory=Patience)


def settings(port: str, profiles: Profiles, wanted: Wanted) -> list[Line]:
    """Every setting to be tried, those that most devices come with first."""
    lines = [Line(port, baud, parity, stop) for baud in wanted.bauds or BAUDS for parity, stop in FORMATS]
    usual: Counter[tuple[int, str, int]] = Counter(
        (one.rtu.baud, one.rtu.parity, one.rtu.stop_bits) for one in profiles.values() if one.rtu
    )
    return sorted(lines, key=lambda line: -usual[line.baud, line.parity, line.stop_bits])


def likely_units(profiles: Profiles, wire: Wire) -> list[int]:
    """Those that devices come with, and the first few."""
    if isinstance(wire, Line):
        return sorted({*FEW, *(one.rtu.unit for one in profiles.values() if one.rtu)})
    return sorted(
        {*FEW, *(one.tcp.unit for one in profiles.values() if one.tcp)}, key=lambda unit: (unit != 255, unit)
    )


async def scan_serial(port: str, profiles: Profiles, wanted: Wanted, *, told: Told) -> Scan:
    """Go through a serial wire.

    Raises:
        ForeignMasterError: somebody else talks on it.
        DeviceError: CLOSED, the port cannot be had, or went away.
    """
    lines = settings(port, profiles, wanted)
    found = await _Sweep(lines, wanted, told).run(likely_units(profiles, lines[0]))
    clean = [one for one in found if one.clean]
    devices = [await _known(one, profiles, wanted.patience, told=told) for one in clean]
    devices += [Device(one.line, one.unit, notes=_doubts(one)) for one in _spoilt(found)]
    return Scan(tuple(devices), tuple(_of_wire(clean)))


async def scan_tcp(endpoints: Sequence[Endpoint], profiles: Profiles, units: Sequence[int], *, told: Told) -> Scan:
    """Ask every host for these units; who refuses the connection is no device."""
    room, found, done = asyncio.Semaphore(AT_ONCE), dict[Endpoint, Scan](), list[Endpoint]()

    async def visit(endpoint: Endpoint) -> None:
        async with room:
            try:
                work = partial(_host, endpoint=endpoint, profiles=profiles, units=units)
                found[endpoint] = await on_wire(endpoint, work, timing=TIMING)
            except DeviceError as error:
                if error.fault is not Fault.CLOSED:
                    found[endpoint] = Scan(notes=(f"{endpoint.host}:{endpoint.port}: {error}",))
            done.append(endpoint)
            told(f"{endpoint.host}:{endpoint.port}", len(done), len(endpoints))

    async with asyncio.TaskGroup() as tasks:
        for endpoint in endpoints:
            tasks.create_task(visit(endpoint))
    scans = [found[endpoint] for endpoint in endpoints if endpoint in found]
    return Scan(
        tuple(device for scan in scans for device in scan.devices),
        tuple(note for scan in scans for note in scan.notes),
    )


async def scan_running(visit: Visit, profiles: Profiles, *, told: Told, found: Callable[[Device], None]) -> Scan:
    """Ask units of a wire that others are using. `found` is called with each device as soon as it is known.

    Raises:
        DeviceError: CLOSED, the wire is down.
    """
    likely = set(likely_units(profiles, visit.wire))
    asked = sorted(
        (unit for unit in visit.units if unit not in visit.known), key=lambda unit: (unit not in likely, unit)
    )
    there: list[Request] = []
    for done, unit in enumerate(asked):
        told(f"unit {unit}", done, len(asked))
        functions = (3, 4) if unit in likely else (3,)
        request = await _present(visit.guest, unit, functions)
        there += [request] if request is not None else []
        if len(there) == done + 1 >= EVERYBODY and not isinstance(visit.wire, Line):
            return Scan(notes=("answers to every unit id, so it is one device, which this site has",))
    devices = []
    for request in there:
        device = await _identified(visit, request, profiles, told=told)
        devices.append(device)
        found(device)
    return Scan(tuple(devices))


async def _identified(visit: Visit, request: Request, profiles: Profiles, *, told: Told) -> Device:
    notes = await _shaky(visit.guest, request)
    try:
        matches = await _fitting(visit.guest, request=request, wire=visit.wire, profiles=profiles, told=told)
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        return Device(visit.wire, request.unit, notes=(*notes, _stopped(error)))
    return Device(visit.wire, request.unit, matches, notes)


async def _shaky(asks: Asks, request: Request) -> tuple[str, ...]:
    """Whether it answers each time: two devices at one address do not."""
    try:
        missed = [await _answered(asks, request) for _ in range(REPEATS)].count(False)
    except ExceptionAnswerError as error:
        return (_stopped(error),)
    if not missed:
        return ()
    return (f"{missed} of {REPEATS} answers were missing or spoilt: noise, or two devices have this address",)


def _stopped(error: DeviceError) -> str:
    return f"stopped answering while it was identified: {error}"


class _Sweep:
    """All settings of a port, each with the units that are worth asking there."""

    def __init__(self, lines: Sequence[Line], wanted: Wanted, told: Told) -> None:
        self._lines, self._wanted, self._told = lines, wanted, told
        self._survey = Survey(self._asking, patience=wanted.patience)
        self._found: list[Present] = []
        self._done = self._of = 0

    async def run(self, likely: Sequence[int]) -> list[Present]:
        await self._survey.hear(self._lines[0])
        first = [unit for unit in likely if unit in self._wanted.units]
        self._begin(len(self._lines) * len(first))
        for line in self._lines:
            await self._ask(line, first, (3, 4))
        heard = [line for line in self._lines if self._wanted.full or any(one.line == line for one in self._found)]
        rest = [unit for unit in self._wanted.units if unit not in first]
        self._begin(len(heard) * len(rest))
        for line in heard:
            await self._ask(line, rest, (3,))
        return self._found

    async def _ask(self, line: Line, units: Sequence[int], functions: Sequence[int]) -> None:
        """A unit that answered at this speed is not asked again: stop bits do not tell devices apart."""
        there = {one.unit for one in self._found if one.line.baud == line.baud and one.clean}
        self._found += await self._survey.sweep(line, [unit for unit in units if unit not in there], functions)
        self._done += sum(unit in there for unit in units)

    def _begin(self, steps: int) -> None:
        self._done, self._of = 0, steps

    def _asking(self, line: Line, unit: int) -> None:
        self._told(f"{line.baud} 8{line.parity}{line.stop_bits}, unit {unit}", self._done, self._of)
        self._done += 1


async def _known(one: Present, profiles: Profiles, patience: Patience, *, told: Told) -> Device:
    async def work(scheduler: Scheduler) -> tuple[Match, ...]:
        scheduler.unit(one.unit, patience.spacing_s)
        return await _fitting(scheduler, request=one.request, wire=one.line, profiles=profiles, told=told)

    try:
        matches = await on_wire(one.line, work, timing=TIMING)
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        return Device(one.line, one.unit, notes=(*_doubts(one), _stopped(error)))
    return Device(one.line, one.unit, matches, _doubts(one))


async def _fitting(
    asks: Asks, *, request: Request, wire: Wire, profiles: Profiles, told: Told
) -> tuple[Match, ...]:
    fitting = [one for one in profiles.values() if speaks(one, wire)]
    tried: list[str] = []

    def trying(profile: str) -> None:
        told(f"unit {request.unit}: is it {profile}?", len(tried), len(fitting))
        tried.append(profile)

    return await identify(Witness(asks, request), fitting, wire, told=trying)


def _spoilt(found: Iterable[Present]) -> list[Present]:
    """Units of which nothing whole came at any setting."""
    whole = {one.unit for one in found if one.clean}
    return list({one.unit: one for one in found if one.unit not in whole and one.spoilt > 1}.values())


def _doubts(one: Present) -> tuple[str, ...]:
    if not one.spoilt:
        return ()
    if not one.clean:
        return (
            "answers, but never with one whole frame: two devices have this address, or the wire is bad. "
            "Disconnect one half of the devices and scan again",
        )
    return (
        f"{one.spoilt} of {one.spoilt + one.clean} answers were spoilt: noise, missing termination, or two devices "
        "have this address",
    )


def _of_wire(found: Sequence[Present]) -> Iterable[str]:
    by_setting: dict[str, list[int]] = {}
    for one in found:
        by_setting.setdefault(f"{one.line.baud} 8{one.line.parity}{one.line.stop_bits}", []).append(one.unit)
    if len(by_setting) > 1:
        told = "; ".join(f"{name}: unit {', '.join(map(str, units))}" for name, units in by_setting.items())
        yield f"devices with different settings are on one wire ({told}): a bus has one for all"


# TCP


async def _host(scheduler: Scheduler, *, endpoint: Endpoint, profiles: Profiles, units: Sequence[int]) -> Scan:
    there = [request for unit in units if (request := await _present(scheduler, unit)) is not None]
    notes: tuple[str, ...] = ()
    if len(there) == len(units) >= EVERYBODY:
        there, notes = there[:1], ("answers to every unit id, so the one of its device profile will do",)
    devices = []
    for request in there:
        scheduler.unit(request.unit, Patience().spacing_s)
        matches = await _fitting(scheduler, request=request, wire=endpoint, profiles=profiles, told=_untold)
        best = matches[0].profile.tcp if notes and matches else None
        unit = request.unit if best is None else best.unit
        devices.append(Device(endpoint, unit, matches, notes))
    silent = (
        ()
        if devices
        else (f"{endpoint.host}:{endpoint.port}: takes connections, but no unit that was asked answers",)
    )
    return Scan(tuple(devices), silent)


async def _present(asks: Asks, unit: int, functions: Sequence[int] = (3, 4)) -> Request | None:
    """What it answers, be it an exception; a gateway's word that nobody is there is no answer."""
    for function in functions:
        request = Request(unit, function, 0, 1)
        try:
            answered = await _answered(asks, request)
        except ExceptionAnswerError:
            return None
        if answered:
            return request
    return None


async def _answered(asks: Asks, request: Request) -> bool:
    """Whether it answers, be it with an exception.

    Raises:
        ExceptionAnswerError: a gateway says that nobody is there.
        DeviceError: CLOSED.
    """
    try:
        await asks.transfer(request, Urgency.SLOW)
    except ExceptionAnswerError as error:
        if error.fault is Fault.TIMEOUT:
            raise
    except DeviceError as error:
        if error.fault is Fault.CLOSED:
            raise
        return False
    return True


def _untold(text: str, done: int, of: int) -> None:
    """Hosts are asked side by side: only whole ones count as steps."""
