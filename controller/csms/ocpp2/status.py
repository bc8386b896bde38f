"""Status of a connector in OCPP 2.0.1 (ConnectorStatusEnumType), which is also its AvailabilityState."""

from controller.charging.view import EvseStatus, EvseView

_STATUSES = {
    EvseStatus.AVAILABLE: "Available",
    EvseStatus.WAITING: "Available",
    EvseStatus.PLUGGED: "Occupied",
    EvseStatus.STARTING: "Occupied",
    EvseStatus.CHARGING: "Occupied",
    EvseStatus.SUSPENDED_EV: "Occupied",
    EvseStatus.SUSPENDED_EVSE: "Occupied",
    EvseStatus.FINISHING: "Occupied",
    EvseStatus.UNAVAILABLE: "Unavailable",
    EvseStatus.FAULTED: "Faulted",
    EvseStatus.UNREACHABLE: "Faulted",
}


def status_of(view: EvseView) -> str:
    """While a token is being checked, only the plug tells whether somebody stands there."""
    if view.status is EvseStatus.AUTHORISING:
        plugged = view.ev_state is not None and view.ev_state.plugged
        return "Occupied" if plugged else "Available"
    return _STATUSES[view.status]
