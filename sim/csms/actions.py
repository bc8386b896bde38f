"""Which actions a version has, and which way they go."""

from ocpp.v16.enums import Action as Action16
from ocpp.v201.enums import Action as Action201

VERSIONS = ("1.6", "2.0.1")

FROM_STATION_16 = frozenset({
    "Authorize", "BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification",
    "Heartbeat", "LogStatusNotification", "MeterValues", "SecurityEventNotification", "SignCertificate",
    "SignedFirmwareStatusNotification", "StartTransaction", "StatusNotification", "StopTransaction",
})  # fmt: skip

FROM_STATION_201 = frozenset({
    "Authorize", "BootNotification", "ClearedChargingLimit", "FirmwareStatusNotification",
    "Get15118EVCertificate", "GetCertificateStatus", "Heartbeat", "LogStatusNotification", "MeterValues",
    "NotifyChargingLimit", "NotifyCustomerInformation", "NotifyDisplayMessages", "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule", "NotifyEvent", "NotifyMonitoringReport", "NotifyReport",
    "PublishFirmwareStatusNotification", "ReportChargingProfiles", "ReservationStatusUpdate",
    "SecurityEventNotification", "SignCertificate", "StatusNotification", "TransactionEvent",
})  # fmt: skip


def known_actions(version: str) -> set[str]:
    actions = Action16 if version == "1.6" else Action201
    return {str(action.value) for action in actions}


def from_csms(version: str) -> set[str]:
    """Actions a CSMS may call; DataTransfer goes both ways."""
    return known_actions(version) - (FROM_STATION_16 if version == "1.6" else FROM_STATION_201)
