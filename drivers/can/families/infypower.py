"""InfyPower V1.13: the command stands in the identifier, numbers are floats to us and integers from us."""

from collections.abc import Mapping

from cantools.database import Database

from drivers.api import DeviceError, Fault
from drivers.can.families.dbc import bytes_of, numbers_of
from drivers.can.families.told import DLC, ModuleLimits, Order, Plausible, Told
from drivers.can.frame import Frame, IdFilter
from drivers.can.module_profile import ModuleProfile

CONTROLLER = 0xF0
SINGLE = 0x0A
GROUP = 0x0B

_COMMAND_MASK = 0x3FF << 16
"""Device number and command: what distinguishes two messages."""
_ERRORS = {2: "command invalid", 3: "data invalid", 7: "start-up in progress"}
_ZERO: Mapping[str, int] = {"Zero": 0}


class InfyPower:
    """`group` is the number set at the modules, for group frames and counting; None: single addresses only."""

    def __init__(self, profile: ModuleProfile, frames: Database, group: int | None) -> None:
        self._plausible = Plausible(profile.limits)
        self._last = profile.address.last
        self._group = group
        self._out = {message.name: message for message in frames.messages}
        answers = (message for message in frames.messages if message.senders == ["Module"])
        self._in = {message.frame_id & _COMMAND_MASK: message for message in answers}

    acknowledges = False

    @property
    def wanted(self) -> tuple[IdFilter, ...]:
        return tuple(IdFilter(device << 22 | CONTROLLER << 8, 0x0F << 22 | 0xFF << 8) for device in (SINGLE, GROUP))

    def find(self) -> tuple[Frame, ...]:
        return () if self._group is None else (self._frame("ReadCount", self._group, _ZERO),)

    def describe(self, address: int) -> tuple[Frame, ...]:
        return (self._frame("ReadCapabilities", address, _ZERO),)

    def poll(self, address: int) -> tuple[Frame, ...]:
        return tuple(self._frame(name, address, _ZERO) for name in ("ReadOutput", "ReadStatus"))

    def prepare(self, address: int) -> tuple[Frame, ...]:
        return ()

    def output(self, address: int, order: Order) -> tuple[Frame, ...]:
        return (self._frame("Set", address, {"Voltage": order.voltage_mv, "Current": order.current_ma}),)

    def switch(self, address: int, *, on: bool) -> tuple[Frame, ...]:
        return (self._frame("Switch", address, {"Off": 0 if on else 1}),)

    def all_off(self) -> tuple[Frame, ...]:
        if self._group is None:
            return ()
        single = self._frame("Switch", self._group, {"Off": 1})
        return (single._replace(id=single.id | 1 << 22),)

    def _frame(self, name: str, address: int, values: Mapping[str, int]) -> Frame:
        message = self._out[name]
        return Frame(message.frame_id | address << 8, bytes_of(message, dict(values)))

    def read(self, frame: Frame) -> Told | None:
        address = frame.id & 0xFF
        if len(frame.data) < DLC or not self._to_us(frame.id) or address > self._last:
            return None
        if error := frame.id >> 26 & 7:
            return Told(address, refused=_ERRORS.get(error, f"error {error}"))
        message = self._in.get(frame.id & _COMMAND_MASK)
        if message is None:
            return Told(address)
        values = numbers_of(message, frame.data)
        return Told(address) if values is None else self._told(address, message.name, values)

    def _to_us(self, can_id: int) -> bool:
        return can_id >> 8 & 0xFF == CONTROLLER and can_id >> 22 & 0x0F in (SINGLE, GROUP)

    def _told(self, address: int, name: str, values: dict[str, float]) -> Told:
        if name == "Output":
            plausible = self._plausible
            return Told(address, plausible.mv(values["Voltage"]), plausible.ma(values["Current"]))
        if name == "Status":
            return Told(address, status=frozenset(bit for bit, is_set in values.items() if is_set))
        if name == "Capabilities":
            return Told(address, limits=_limits(values))
        if name == "Count":
            return Told(address, count=self._count(int(values["Modules"])))
        return Told(address)

    def _count(self, count: int) -> int:
        if count > self._last + 1:
            raise DeviceError(Fault.DATA, f"{count} modules cannot be in one group")
        return count


def _limits(values: dict[str, float]) -> ModuleLimits:
    limits = ModuleLimits(
        voltage_min_mv=round(values["LowestVoltage"] * 1000),
        voltage_max_mv=round(values["HighestVoltage"] * 1000),
        current_ma=round(values["HighestCurrent"] * 1000),
        power_w=round(values["RatedPower"]),
    )
    if not (limits.voltage_min_mv < limits.voltage_max_mv and limits.current_ma and limits.power_w):
        raise DeviceError(Fault.DATA, f"a module cannot have these limits: {limits}")
    return limits
