"""What the CSMS answers to a station that speaks OCPP 1.6."""

from collections.abc import Callable

from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo

from sim.csms.clerk import Clerk
from sim.csms.journal import now_utc

Answer = Callable[..., object]

ACKNOWLEDGED = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignedFirmwareStatusNotification",
    "StatusNotification",
)


def _acknowledge(action: str) -> Answer:
    return lambda **_: getattr(call_result, action)()


def answers(clerk: Clerk, identity: str) -> dict[str, Answer]:
    """Action -> function of the payload in snake_case, as the package calls it."""

    def info(id_tag: str) -> object:
        return IdTagInfo(status=clerk.verdict(id_tag))

    def boot(**_: object) -> object:
        status, interval = clerk.boot(identity)
        return call_result.BootNotification(current_time=now_utc(), interval=interval, status=status)

    def start(*, connector_id: int, id_tag: str, timestamp: str, meter_start: int, **_: object) -> object:
        number = clerk.transaction_id((identity, connector_id, id_tag, timestamp, meter_start))
        return call_result.StartTransaction(transaction_id=number, id_tag_info=info(id_tag))

    def stop(*, id_tag: str | None = None, **_: object) -> object:
        return call_result.StopTransaction(id_tag_info=None if id_tag is None else info(id_tag))

    return {
        **{name: _acknowledge(name) for name in ACKNOWLEDGED},
        "Authorize": lambda *, id_tag: call_result.Authorize(id_tag_info=info(id_tag)),
        "BootNotification": boot,
        "DataTransfer": lambda **_: call_result.DataTransfer(status="UnknownVendorId"),
        "Heartbeat": lambda **_: call_result.Heartbeat(current_time=now_utc()),
        "SignCertificate": lambda **_: call_result.SignCertificate(status="Rejected"),
        "StartTransaction": start,
        "StopTransaction": stop,
    }
