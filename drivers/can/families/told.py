"""What a family of power modules must be able to say, and what its modules tell."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from drivers.api import DeviceError, Fault
from drivers.can.frame import Frame, IdFilter
from drivers.can.module_profile import LimitsTable

DLC = 8


@dataclass(frozen=True, slots=True)
class ModuleLimits:
    """What one module says that it can."""

    voltage_min_mv: int
    voltage_max_mv: int
    current_ma: int
    power_w: int


@dataclass(frozen=True, slots=True)
class Told:
    """The content of one frame. None: not in this frame."""

    address: int
    voltage_mv: int | None = None
    current_ma: int | None = None
    status: frozenset[str] | None = None
    """Names of all status bits that are set; those that mean nothing bad too."""
    limits: ModuleLimits | None = None
    count: int | None = None
    """Modules in the group, at the addresses from 0 on."""
    acknowledged: Literal["switch", "output"] | None = None
    refused: str | None = None
    identity: int | None = None
    """Differs between two modules that answer at the same address."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one module shall do. `sharing`: how many modules deliver together with it, itself included."""

    voltage_mv: int
    current_ma: int
    sharing: int = 1


class Family(Protocol):
    """Frames for one bus. An address is that of a single module; a group is all that are meant together."""

    acknowledges: bool
    """Whether a module answers to setpoints and switching."""

    @property
    def wanted(self) -> tuple[IdFilter, ...]: ...

    def find(self) -> tuple[Frame, ...]:
        """Ask the whole group who is there; empty: the family can only be asked address by address."""

    def describe(self, address: int) -> tuple[Frame, ...]:
        """Asked once for each module, and as a probe."""

    def poll(self, address: int) -> tuple[Frame, ...]: ...

    def prepare(self, address: int) -> tuple[Frame, ...]:
        """Sent while a module is off, before it is switched on."""

    def output(self, address: int, order: Order) -> tuple[Frame, ...]: ...

    def switch(self, address: int, *, on: bool) -> tuple[Frame, ...]: ...

    def all_off(self) -> tuple[Frame, ...]:
        """Switch the whole group off with one frame; empty: only one by one."""

    def read(self, frame: Frame) -> Told | None:
        """None: not for us.

        Raises:
            DeviceError: it is, and makes no sense.
        """


class Plausible:
    """Numbers from a module in our units, or an error where no module of this model can mean them."""

    def __init__(self, limits: LimitsTable) -> None:
        self._most_mv = limits.voltage_max_mv * 6 // 5
        self._most_ma = limits.current_ma * 3 // 2

    def mv(self, volts: float) -> int:
        return _whole(volts * 1000, self._most_mv, "voltage")

    def ma(self, amperes: float) -> int:
        return _whole(amperes * 1000, self._most_ma, "current")


def _whole(value: float, most: int, what: str) -> int:
    if not math.isfinite(value) or abs(value) > most:
        raise DeviceError(Fault.DATA, f"a {what} of {value / 1000:g} is not possible")
    return round(value)
