"""What the CSMS answers to a station that speaks OCPP 2.0.1."""

from collections.abc import Callable
from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.datatypes import IdTokenInfoType

from sim.csms.clerk import Clerk
from sim.csms.journal import now_utc

Answer = Callable[..., object]

ACKNOWLEDGED = (
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "StatusNotification",
)


def _acknowledge(action: str) -> Answer:
    return lambda **_: getattr(call_result, action)()


def answers(clerk: Clerk, identity: str) -> dict[str, Answer]:
    """Action -> function of the payload in snake_case, as the package calls it."""

    def info(id_token: dict[str, Any]) -> object:
        return IdTokenInfoType(status=clerk.verdict(id_token["id_token"]))

    def boot(**_: object) -> object:
        status, interval = clerk.boot(identity)
        return call_result.BootNotification(current_time=now_utc(), interval=interval, status=status)

    def event(*, id_token: dict[str, Any] | None = None, **_: object) -> object:
        return call_result.TransactionEvent(id_token_info=None if id_token is None else info(id_token))

    return {
        **{name: _acknowledge(name) for name in ACKNOWLEDGED},
        "Authorize": lambda *, id_token, **_: call_result.Authorize(id_token_info=info(id_token)),
        "BootNotification": boot,
        "DataTransfer": lambda **_: call_result.DataTransfer(status="UnknownVendorId"),
        "Get15118EVCertificate": lambda **_: call_result.Get15118EVCertificate(status="Failed", exi_response=""),
        "GetCertificateStatus": lambda **_: call_result.GetCertificateStatus(status="Failed"),
        "Heartbeat": lambda **_: call_result.Heartbeat(current_time=now_utc()),
        "NotifyEVChargingNeeds": lambda **_: call_result.NotifyEVChargingNeeds(status="Rejected"),
        "NotifyEVChargingSchedule": lambda **_: call_result.NotifyEVChargingSchedule(status="Accepted"),
        "SignCertificate": lambda **_: call_result.SignCertificate(status="Rejected"),
        "TransactionEvent": event,
    }
