"""Huawei R100040Gx: twelve bits of signal number, values in 1024ths, real-time values asked in one batch."""

from cantools.database import Database

from drivers.can.families.dbc import bytes_of, numbers_of
from drivers.can.families.told import DLC, Order, Plausible, Told
from drivers.can.frame import Frame, IdFilter
from drivers.can.module_profile import ModuleProfile

BROADCAST = 0

_PROTOCOL = 13 << 23
_FROM_CONTROLLER = 1 << 7
_NO_GROUP = 31
_FIXED_MASK = 0x3F << 23 | _FROM_CONTROLLER
_MESSAGE_MASK = 0xFF << 8

_ALL_ITEMS = 0xAA
_ALARM_ITEM = 1 << 16
_OUTPUT_ITEM = 1 << 22

_ERRORS = {2: "invalid command", 3: "address identification in progress"}


class Huawei:
    """`group` None: no grouping, as the module comes."""

    def __init__(self, profile: ModuleProfile, frames: Database, group: int | None) -> None:
        self._plausible = Plausible(profile.limits)
        self._group = _NO_GROUP if group is None else group
        self._messages = {message.name: message for message in frames.messages}
        self._answers = {message.frame_id & _MESSAGE_MASK: message for message in frames.messages}
        self._signals = {
            signal.name: signal.multiplexer_ids[0]
            for message in frames.messages
            for signal in message.signals
            if signal.multiplexer_ids
        }

    acknowledges = True

    @property
    def wanted(self) -> tuple[IdFilter, ...]:
        return (IdFilter(_PROTOCOL, _FIXED_MASK),)

    def find(self) -> tuple[Frame, ...]:
        return (self._realtime(BROADCAST, _OUTPUT_ITEM),)

    def describe(self, address: int) -> tuple[Frame, ...]:
        return (self._realtime(address, _OUTPUT_ITEM),)

    def poll(self, address: int) -> tuple[Frame, ...]:
        return (self._realtime(address, _OUTPUT_ITEM | _ALARM_ITEM),)

    def prepare(self, address: int) -> tuple[Frame, ...]:
        return (self._frame("Configuration", address, "OutputModeAutoSwitch", 0, byte3=1),)

    def output(self, address: int, order: Order) -> tuple[Frame, ...]:
        return (
            self._frame("Control", address, "OutputVoltageSet", _rounded_down(order.voltage_mv)),
            self._frame(
                "Control", address, "OutputCurrentSet", _rounded_down(order.current_ma), byte3=order.sharing
            ),
        )

    def switch(self, address: int, *, on: bool) -> tuple[Frame, ...]:
        return (self._frame("Control", address, "PowerOnOff", 0, byte3=0 if on else 1),)

    def all_off(self) -> tuple[Frame, ...]:
        return self.switch(BROADCAST, on=False)

    def _realtime(self, address: int, items: int) -> Frame:
        return self._frame("Realtime", address, "RequestedItems", items, byte3=_ALL_ITEMS)

    def _frame(self, message: str, address: int, name: str, value: float, *, byte3: int = 0) -> Frame:
        layout = self._messages[message]
        fixed = {"ErrorType": 0, "Signal": self._signals[name], "Byte2": 0, "Byte3": byte3}
        can_id = layout.frame_id | address << 16 | _FROM_CONTROLLER | self._group << 2
        return Frame(can_id, bytes_of(layout, {**fixed, name: value}))

    def read(self, frame: Frame) -> Told | None:
        address = frame.id >> 16 & 0x7F
        if len(frame.data) < DLC or frame.id & _FIXED_MASK != _PROTOCOL or address == BROADCAST:
            return None
        if error := frame.data[0] >> 4:
            return Told(address, refused=_ERRORS.get(error, f"error {error}"))
        message = self._answers.get(frame.id & _MESSAGE_MASK)
        if message is None:
            return Told(address)
        return self._told(address, numbers_of(message, frame.data) or {})

    def _told(self, address: int, values: dict[str, float]) -> Told:
        if "PowerOnOff" in values:
            return Told(address, acknowledged="switch")
        if "OutputCurrentSet" in values:
            return Told(address, acknowledged="output")
        if "OutputVoltage" in values:
            plausible = self._plausible
            return Told(address, plausible.mv(values["OutputVoltage"]), plausible.ma(values["OutputCurrent"]))
        if "AlarmStatus" in values:
            return Told(address, status=_alarms(int(values["AlarmStatus"])))
        return Told(address)


def _rounded_down(thousandths: int) -> float:
    """In 1024ths, of which the module takes whole ones: never more than was asked for."""
    return thousandths * 1024 // 1000 / 1024


def _alarms(bits: int) -> frozenset[str]:
    """The meaning of the bits is not published: each is told by its number."""
    return frozenset(f"alarm_bit_{bit}" for bit in range(32) if bits >> bit & 1)
