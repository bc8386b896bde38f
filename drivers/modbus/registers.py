"""Single registers of one outlet, read and written by name."""

from collections.abc import Callable, Sequence

from drivers.api import DeviceError, Fault
from drivers.modbus import codec, pdu
from drivers.modbus.codec import EncodeError, Point
from drivers.modbus.scheduler import Asks, Urgency
from drivers.profile_schema import DeviceProfile

Encoder = Callable[[Point], tuple[int, ...]]


class Registers:
    def __init__(self, wire: Asks, profile: DeviceProfile, *, unit: int, outlet: int) -> None:
        self._wire = wire
        self._unit = unit
        self._points = {name: codec.point(profile, name, outlet) for name in profile.registers}

    def point(self, name: str) -> Point:
        return self._points[name]

    def readable(self, name: str | None) -> bool:
        return name is not None and name in self._points and self._points[name].readable

    async def read(self, name: str, urgency: Urgency) -> int:
        """The value in engineering units.

        Raises:
            DeviceError: DATA where it is no number or not believable.
        """
        point = self._points[name]
        found = codec.value(point, await self._words(point, urgency))
        if not isinstance(found, int):
            raise DeviceError(Fault.DATA, f"{name}: no believable number")
        return found

    async def read_raw(self, name: str, urgency: Urgency) -> int:
        """The raw whole number, as the profile's `enable` and `commission` speak of it.

        Raises:
            DeviceError: DATA where it is none.
        """
        point = self._points[name]
        found = codec.raw(point, await self._words(point, urgency))
        if not isinstance(found, int | float) or found != int(found):
            raise DeviceError(Fault.DATA, f"{name}: no raw number")
        return int(found)

    async def write(self, name: str, value: int, *, urgency: Urgency) -> None:
        """Write an engineering value that lies on the register's grid.

        Raises:
            DeviceError: REFUSED also where the register cannot carry the value; nothing was sent then.
        """
        await self._send(name, lambda point: codec.encode(point, value), urgency=urgency)

    async def write_raw(self, name: str, raw: int, *, urgency: Urgency) -> None:
        """As `write`, for a raw whole number."""
        await self._send(name, lambda point: codec.encode_raw(point, raw), urgency=urgency)

    async def _words(self, point: Point, urgency: Urgency) -> Sequence[int]:
        request = pdu.read(self._unit, point.table, address=point.address, count=point.width)
        return (await self._wire.transfer(request, urgency)).values

    async def _send(self, name: str, encode: Encoder, *, urgency: Urgency) -> None:
        point = self._points[name]
        if point.write_fc is None:
            raise DeviceError(Fault.REFUSED, f"{name}: not writable")
        try:
            words = encode(point)
        except EncodeError as error:
            raise DeviceError(Fault.REFUSED, str(error)) from error
        size = len(words) // point.repeat
        for place in range(0, len(words), size):  # a value that lies there several times is written copy by copy
            address, copy = point.address + place, words[place : place + size]
            await self._wire.transfer(pdu.write(self._unit, point.write_fc, address=address, words=copy), urgency)
