"""UUGreenPower V1: one kind of frame, the command in its second byte, integers in thousandths."""

from cantools.database import Database

from drivers.can.families.dbc import bytes_of, numbers_of
from drivers.can.families.told import DLC, Order, Plausible, Told
from drivers.can.frame import Frame, IdFilter
from drivers.can.module_profile import ModuleProfile

BROADCAST = 0

_FIXED = 1 << 25 | 1 << 21
_FIXED_MASK = 0xFF << 21
_ADDRESS_SHIFT = 14
_IDENTITY_MASK = 0x3FFF

SET, SET_RESPONSE, READ, READ_RESPONSE, SERIAL_RESPONSE, SET_ALL_RESPONSE = 0, 1, 2, 3, 4, 12
_READ_ANSWERS = (READ_RESPONSE, SERIAL_RESPONSE)
_SET_ANSWERS = (SET_RESPONSE, SET_ALL_RESPONSE)

_AUTOMATIC_RANGE = 0
_CURRENT_LIMIT = 3
_SHUTDOWN = 4


class UuGreen:
    """Setpoints go to single modules only: to all, each would deliver the whole current."""

    def __init__(self, profile: ModuleProfile, frames: Database, group: int | None) -> None:
        self._plausible = Plausible(profile.limits)
        self._group = group or 0
        self._message = frames.get_message_by_name("Exchange")
        self._commands = {
            signal.name: signal.multiplexer_ids[0] for signal in self._message.signals if signal.multiplexer_ids
        }

    acknowledges = True

    @property
    def wanted(self) -> tuple[IdFilter, ...]:
        return (IdFilter(_FIXED, _FIXED_MASK),)

    def find(self) -> tuple[Frame, ...]:
        return (self._frame(BROADCAST, READ, "Serial"),)

    def describe(self, address: int) -> tuple[Frame, ...]:
        return (self._frame(address, READ, "Serial"),)

    def poll(self, address: int) -> tuple[Frame, ...]:
        names = ("OutputVoltageFast", "OutputCurrentFast")
        return tuple(self._frame(address, READ, name) for name in names)

    def prepare(self, address: int) -> tuple[Frame, ...]:
        return (self._frame(address, SET, "RangeSelect", _AUTOMATIC_RANGE),)

    def output(self, address: int, order: Order) -> tuple[Frame, ...]:
        return (
            self._frame(address, SET, "VoltageSetpoint", order.voltage_mv),
            self._frame(address, SET, "CurrentLimit", order.current_ma),
        )

    def switch(self, address: int, *, on: bool) -> tuple[Frame, ...]:
        return (self._frame(address, SET, "Shutdown", 0 if on else 1),)

    def all_off(self) -> tuple[Frame, ...]:
        return self.switch(BROADCAST, on=False)

    def _frame(self, address: int, kind: int, name: str, value: int = 0) -> Frame:
        fixed = {"Group": self._group, "MessageType": kind, "Command": self._commands[name], "Result": 0}
        return Frame(_FIXED | address << _ADDRESS_SHIFT, bytes_of(self._message, {**fixed, name: value}))

    def read(self, frame: Frame) -> Told | None:
        address = frame.id >> _ADDRESS_SHIFT & 0x7F
        if len(frame.data) < DLC or frame.id & _FIXED_MASK != _FIXED or address == BROADCAST:
            return None
        kind = frame.data[0] & 0x0F
        identity = frame.id & _IDENTITY_MASK
        if kind in _SET_ANSWERS:
            return self._set(address, identity, frame.data)
        if kind not in _READ_ANSWERS:
            return None
        values = numbers_of(self._message, frame.data) or {}
        return self._told(address, identity, values)

    def _told(self, address: int, identity: int, values: dict[str, float]) -> Told:
        voltage, current = values.get("OutputVoltageFast"), values.get("OutputCurrentFast")
        return Told(
            address,
            voltage_mv=None if voltage is None else self._plausible.mv(voltage / 1000),
            current_ma=None if current is None else self._plausible.ma(current / 1000),
            identity=identity,
        )

    def _set(self, address: int, identity: int, data: bytes) -> Told:
        if result := int.from_bytes(data[2:4], "big"):
            return Told(address, identity=identity, refused=f"command {data[1] & 0x7F}: result {result}")
        command = data[1] & 0x7F
        if command == _SHUTDOWN:
            return Told(address, identity=identity, acknowledged="switch")
        return Told(address, identity=identity, acknowledged="output" if command == _CURRENT_LIMIT else None)
