"""Status of a connector in OCPP 1.6 (ChargePointStatus)."""

from controller.charging.view import EvseStatus, EvseView

_STATUSES = {
    EvseStatus.AVAILABLE: "Available",
    EvseStatus.WAITING: "Preparing",
    EvseStatus.PLUGGED: "Preparing",
    EvseStatus.AUTHORISING: "Preparing",
    EvseStatus.STARTING: "Preparing",
    EvseStatus.CHARGING: "Charging",
    EvseStatus.SUSPENDED_EV: "SuspendedEV",
    EvseStatus.SUSPENDED_EVSE: "SuspendedEVSE",
    EvseStatus.FINISHING: "Finishing",
    EvseStatus.UNAVAILABLE: "Unavailable",
    EvseStatus.FAULTED: "Faulted",
    EvseStatus.UNREACHABLE: "Faulted",
}
_SUSPENDED = {EvseStatus.SUSPENDED_EV, EvseStatus.SUSPENDED_EVSE}
MAX_INFO = 50


def status_of(view: EvseView) -> str:
    """R22: who suspends follows from pilot and offered current. A transaction that starts is not Preparing."""
    starting = view.status is EvseStatus.STARTING and view.transaction is not None
    if view.status in _SUSPENDED or starting:
        return "SuspendedEVSE" if view.offered_ma == 0 else "SuspendedEV"
    return _STATUSES[view.status]


def error_of(view: EvseView) -> tuple[str, str]:
    """Error code and info."""
    if view.status is EvseStatus.UNREACHABLE:
        return "InternalError", "charger unreachable"
    if view.status is EvseStatus.FAULTED:
        return "OtherError", (view.fault or "")[:MAX_INFO]
    return "NoError", ""
