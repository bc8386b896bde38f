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
from drivers.profile_schema import DeviceProfile, Probe, Reading

Found = Fraction | str | None
"""What a register shows in its own unit; None where it has no value, or is not there."""


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

    async def _decide(self, probe: Probe) -> Reading:
        cache: dict[tuple[str, int, int], tuple[int, ...] | None] = {}
        seen, fitting = list[tuple[Reading, Found]](), list[Reading]()
        for reading in probe.readings:
            found = await self._found(reading.profile, probe.register, cache)
            seen.append((reading, found))
            if reading.expected.fits(found):
                fitting.append(reading)
                if probe.either:
                    break  # the others need not be asked: some devices are silent where they should refuse
        if not fitting or (len(fitting) > 1 and not probe.either) or not fitting[0].usable:
            raise DeviceError(Fault.MISMATCH, _text(probe, seen, fitting))
        return fitting[0]

    async def _found(
        self, profile: DeviceProfile, name: str, cache: dict[tuple[str, int, int], tuple[int, ...] | None]
    ) -> Found:
        point = codec.point(profile, name, self._outlet)
        place = (point.table, point.address, point.width)
        if place not in cache:
            cache[place] = await self._words(point)
        words = cache[place]
        raw = None if words is None else codec.raw(point, words)
        return Fraction(raw) * profile.registers[name].scale if isinstance(raw, int | float) else raw

    async def _words(self, point: codec.Point) -> tuple[int, ...] | None:
        request = pdu.read(self._unit, point.table, address=point.address, count=point.width)
        try:
            return tuple((await self._wire.transfer(request, Urgency.SLOW)).values)
        except ExceptionAnswerError as error:
            if error.code in ABSENT:
                return None
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
    if found is None:
        return "nothing"
    return repr(found) if isinstance(found, str) else f"{float(found):.6g}"
