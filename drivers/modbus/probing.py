"""Finds out which reading of its device profile a device fits, before anything it says is believed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from drivers.api import DeviceError, Fault
from drivers.modbus import codec, pdu
from drivers.modbus.blocks import Packing
from drivers.modbus.pdu import ExceptionAnswerError
from drivers.modbus.sampler import ABSENT
from drivers.modbus.scheduler import Asks, Urgency
from drivers.profile_schema import DeviceProfile, Probe, Reading, Table

Place = tuple[Table, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What a register shows in its own unit; None where it has no value, or is not there, for which reason."""

    value: Fraction | str | None
    why: str = "no value"


@dataclass(frozen=True, slots=True)
class Choice:
    """The reading that fits, and what was decided on the way, for people."""

    profile: DeviceProfile
    told: tuple[str, ...] = ()


class OtherReadingError(Exception):
    """The device fits another reading of its device profile than the one that is used."""

    def __init__(self, choice: Choice) -> None:
        super().__init__("; ".join(choice.told))
        self.choice = choice


class Probing:
    def __init__(self, wire: Asks, profile: DeviceProfile, *, unit: int, outlet: int = 1) -> None:
        self._wire, self._profile = wire, profile
        self._unit, self._outlet = unit, outlet
        self._used: dict[str, str] = {}
        """By register the reading that fitted last. Where either will do it comes first: no silence to wait for."""

    async def choose(self) -> Choice:
        """Go through all probes, each under the reading that the one before it chose.

        Raises:
            DeviceError: MISMATCH where no reading fits, or several do; else not answered.
        """
        profile, told = self._profile, list[str]()
        while profile.probe is not None:
            reading = await self._decide(profile.probe)
            if len(profile.probe.readings) > 1:
                told.append(f"{profile.probe.register}: {reading.says}")
            profile = reading.profile
        return Choice(profile, tuple(told))

    def elsewhere(self, chosen: DeviceProfile) -> Sequence[codec.Point]:
        """Where a device that is silent under the chosen reading may answer: one place for each other function."""
        probe = self._profile.probe
        if probe is None:
            return ()
        points = [codec.point(one.profile, probe.register, self._outlet) for one in probe.readings]
        by_table = {point.table: point for point in reversed(points)}
        return [point for table, point in by_table.items() if table != chosen.registers[probe.register].table]

    async def _decide(self, probe: Probe) -> Reading:
        hearing = Hearing(self._wire, self._unit, self._outlet)
        seen = await self._look(probe, hearing)
        if hearing.silent:
            await hearing.insist()
            seen = await self._look(probe, hearing)
        fitting = [reading for reading, found in seen if reading.expected.fits(found.value)]
        if not fitting or (len(fitting) > 1 and not probe.either) or not fitting[0].usable:
            raise DeviceError(Fault.MISMATCH, _text(probe, seen, fitting))
        self._used[probe.register] = fitting[0].says
        return fitting[0]

    async def _look(self, probe: Probe, hearing: "Hearing") -> Sequence[tuple[Reading, Found]]:
        seen = list[tuple[Reading, Found]]()
        used = self._used.get(probe.register) if probe.either else None
        for reading in sorted(probe.readings, key=lambda one: one.says != used):
            found = await hearing.found(reading.profile, probe.register)
            seen.append((reading, found))
            if probe.either and reading.expected.fits(found.value):
                break  # the others need not be asked: some devices are silent where they should refuse
        return seen


class Hearing:
    """What lies where the readings of one probe have its register; each place is asked once.

    Some devices are silent where they should refuse. Silence means that nothing is there only if the device has
    answered somewhere else since, and is silent again.
    """

    def __init__(self, wire: Asks, unit: int, outlet: int) -> None:
        self._wire, self._unit, self._outlet = wire, unit, outlet
        self._answers: dict[Place, tuple[int, ...] | str] = {}
        """Words, or why there are none."""
        self.silent: dict[Place, DeviceError] = {}

    async def found(self, profile: DeviceProfile, name: str) -> Found:
        point = codec.point(profile, name, self._outlet)
        place = (point.table, point.address, point.width)
        if place not in self._answers and place not in self.silent:
            await self._ask(place)
        words = self._answers.get(place, "no answer")
        if isinstance(words, str):
            return Found(None, words)
        raw = codec.raw(point, words)
        return Found(Fraction(raw) * profile.registers[name].scale if isinstance(raw, int | float) else raw)

    async def insist(self) -> None:
        """Ask again where it was silent.

        Raises:
            DeviceError: it answered nowhere.
        """
        if not self._answers:
            raise next(iter(self.silent.values()))
        for place in tuple(self.silent):
            del self.silent[place]
            await self._ask(place)
            if place in self.silent:
                self._answers[place] = "no answer"

    async def _ask(self, place: "Place") -> None:
        table, address, width = place
        try:
            answer = await self._wire.transfer(
                pdu.read(self._unit, table, address=address, count=width), Urgency.SLOW
            )
            self._answers[place] = tuple(answer.values)
        except DeviceError as error:
            if isinstance(error, ExceptionAnswerError) and error.code in ABSENT:
                self._answers[place] = f"exception {error.code}, {pdu.EXCEPTIONS[error.code]}"
            elif error.fault is Fault.TIMEOUT:
                self.silent[place] = error
            else:
                raise


def repacked(packing: Packing, profile: DeviceProfile, outlet: int = 1) -> Packing:
    """The packing for another reading, whose registers lie elsewhere."""
    if packing.covered is None:
        return packing
    points = [codec.point(profile, name, outlet) for name, one in profile.registers.items() if one.readable]
    covered = frozenset((point.table, point.address + i) for point in points for i in range(point.width))
    return replace(packing, covered=covered)


def _text(probe: Probe, seen: Sequence[tuple[Reading, Found]], fitting: Sequence[Reading]) -> str:
    readings = ", ".join(f'{_shown(found)} as "{reading.says}"' for reading, found in seen)
    if not fitting:
        return f"{probe.register} reads {readings}: not as expected; another model, firmware or setting?"
    if not fitting[0].usable:
        return f'{probe.register} reads {readings}: this device is "{fitting[0].says}", for which there is no map'
    return f"{probe.register} reads {readings}: both are possible, so nothing can be decided"


def _shown(found: Found) -> str:
    if found.value is None:
        return f"nothing ({found.why})"
    return repr(found.value) if isinstance(found.value, str) else f"{float(found.value):.6g}"
