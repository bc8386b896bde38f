"""What a CAN controller says about errors on its bus: Linux error frames (linux/can/error.h), as a value."""

import enum
from dataclasses import dataclass

LOST_ARBITRATION = 0x002
CONTROLLER = 0x004
NO_ACK = 0x020
BUS_OFF = 0x040
BUS_ERROR = 0x080
RESTARTED = 0x100
COUNTERS = 0x200

_WARNING_BITS = 0x0C
_PASSIVE_BITS = 0x30
_ACTIVE_BIT = 0x40
_OVERFLOW_BITS = 0x03


class ErrorState(enum.Enum):
    """How far the controller trusts itself (ISO 11898-1): PASSIVE from 128 errors, BUS_OFF from 256 on sending."""

    ACTIVE = "active"
    WARNING = "warning"
    PASSIVE = "passive"
    BUS_OFF = "bus-off"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One error frame. None: it does not say."""

    state: ErrorState | None = None
    no_ack: bool = False
    lost_arbitration: bool = False
    bus_error: bool = False
    overflow: bool = False
    sending_errors: int | None = None
    receiving_errors: int | None = None


def trouble_of(classes: int, data: bytes) -> Trouble:
    """Read an error frame's identifier and data; socketcand sends no data, what they would say is then unknown."""
    details = data[1] if len(data) > 1 and classes & CONTROLLER else 0
    counted = bool(classes & COUNTERS) and len(data) == 8
    return Trouble(
        state=_state(classes, details),
        no_ack=bool(classes & NO_ACK),
        lost_arbitration=bool(classes & LOST_ARBITRATION),
        bus_error=bool(classes & BUS_ERROR),
        overflow=bool(details & _OVERFLOW_BITS),
        sending_errors=data[6] if counted else None,
        receiving_errors=data[7] if counted else None,
    )


def _state(classes: int, details: int) -> ErrorState | None:
    if classes & BUS_OFF:
        return ErrorState.BUS_OFF
    if details & _PASSIVE_BITS:
        return ErrorState.PASSIVE
    if details & _WARNING_BITS:
        return ErrorState.WARNING
    return ErrorState.ACTIVE if classes & RESTARTED or details & _ACTIVE_BIT else None
