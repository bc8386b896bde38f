"""SCU DPM1000: values by number in bytes 2 and 3, floats, addresses in the identifier. It has no group frames."""

from cantools.database import Database

from drivers.can.families.dbc import bytes_of, numbers_of
from drivers.can.families.told import DLC, Order, Plausible, Told
from drivers.can.frame import Frame, IdFilter
from drivers.can.module_profile import ModuleProfile

CONTROLLER = 0xF0

_FIXED = 0x60 << 20 | CONTROLLER << 11 | 3
_FIXED_MASK = 0x1FF << 20 | 0xFF << 11 | 7
"""All but the point-to-point bit and the sender; a frame that is continued is none that we know."""

SWITCH, READ, SET = 0x00, 0x01, 0x03
READ_RESPONSE, SET_RESPONSE = 0x41, 0x43
NO_ERROR = 0xF0

_ERRORS = {
    0xF1: "invalid node address",
    0xF2: "invalid command",
    0xF3: "data verification fault",
    0xF4: "address recognition",
}
_ALARM = 64
_CURRENT_LIMIT = 34
_SWITCH_OFF = 48
_RATED_MA = 100_000
"""The current setpoint is a share of 100 A, whatever the model (fact sheet)."""
_POWER = {True: ("PowerOn", 0x0080), False: ("PowerOff", 0x8080)}


class Scu:
    """A module is switched by a frame of its own and by value 48: older firmware ignores the first."""

    def __init__(self, profile: ModuleProfile, frames: Database, group: int | None) -> None:
        self._plausible = Plausible(profile.limits)
        self._request = frames.get_message_by_name("Request")
        self._response = frames.get_message_by_name("Response")
        self._set_ids = {
            signal.name: signal.multiplexer_ids[0] for signal in self._request.signals if signal.multiplexer_ids
        }
        self._read_ids = {
            signal.name: signal.multiplexer_ids[0] for signal in self._response.signals if signal.multiplexer_ids
        }

    acknowledges = True

    @property
    def wanted(self) -> tuple[IdFilter, ...]:
        return (IdFilter(_FIXED, _FIXED_MASK),)

    def find(self) -> tuple[Frame, ...]:
        return ()

    def describe(self, address: int) -> tuple[Frame, ...]:
        return (self._ask(address, self._read_ids["Voltage"]),)

    def poll(self, address: int) -> tuple[Frame, ...]:
        return tuple(
            self._ask(address, value) for value in (self._read_ids["Voltage"], self._read_ids["Current"], _ALARM)
        )

    def prepare(self, address: int) -> tuple[Frame, ...]:
        return (
            self._set(address, "DefaultCurrentLimitSet", 1.0),
            self._set(address, "PowerLimitSet", 1.0),
            self._set(address, "SeriesParallelMode", 0.0),
        )

    def output(self, address: int, order: Order) -> tuple[Frame, ...]:
        return (
            self._set(address, "VoltageSet", order.voltage_mv / 1000),
            self._set(address, "CurrentLimitSet", order.current_ma / _RATED_MA),
        )

    def switch(self, address: int, *, on: bool) -> tuple[Frame, ...]:
        name, number = _POWER[on]
        power = self._frame(address, SWITCH, number, {name: 0})
        return (power, self._set(address, "SwitchOff", 0 if on else 1))

    def all_off(self) -> tuple[Frame, ...]:
        return ()

    def _ask(self, address: int, value: int) -> Frame:
        data = bytes((READ, NO_ERROR)) + value.to_bytes(2, "big") + bytes(4)
        return Frame(self._request.frame_id | address << 11, data)

    def _set(self, address: int, name: str, value: float) -> Frame:
        return self._frame(address, SET, self._set_ids[name], {name: value})

    def _frame(self, address: int, kind: int, number: int, value: dict[str, float]) -> Frame:
        fixed = {"MessageType": kind, "ErrorType": NO_ERROR, "ValueId": number}
        return Frame(self._request.frame_id | address << 11, bytes_of(self._request, {**fixed, **value}))

    def read(self, frame: Frame) -> Told | None:
        if len(frame.data) < DLC or frame.id & _FIXED_MASK != _FIXED:
            return None
        address = frame.id >> 3 & 0xFF
        kind, error = frame.data[0], frame.data[1]
        if kind & 0x80 or error != NO_ERROR:
            return Told(address, refused=_ERRORS.get(error, f"error {error:#04x}"))
        if kind == SET_RESPONSE:
            return self._acknowledged(address, int.from_bytes(frame.data[2:4], "big"))
        if kind != READ_RESPONSE:
            return None
        return self._told(address, numbers_of(self._response, frame.data) or {})

    def _told(self, address: int, values: dict[str, float]) -> Told:
        voltage, current = values.get("Voltage"), values.get("Current")
        alarm = values.get("ValueId") == _ALARM
        bits = (name for name, value in values.items() if value and self._read_ids.get(name) == _ALARM)
        return Told(
            address,
            voltage_mv=None if voltage is None else self._plausible.mv(voltage),
            current_ma=None if current is None else self._plausible.ma(current),
            status=frozenset(bits) if alarm else None,
        )

    @staticmethod
    def _acknowledged(address: int, value: int) -> Told:
        if value == _SWITCH_OFF:
            return Told(address, acknowledged="switch")
        return Told(address, acknowledged="output" if value == _CURRENT_LIMIT else None)
