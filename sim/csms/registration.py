"""What a station may send before it is accepted (2.0.1 B01.FR.08, B02, B03; 1.6 section 4.2)."""

from dataclasses import dataclass, field
from typing import Any

ASKED_BY = {
    "CustomerInformation": "NotifyCustomerInformation",
    "GetBaseReport": "NotifyReport",
    "GetLog": "LogStatusNotification",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "GetReport": "NotifyReport",
}


@dataclass(slots=True)
class Registration:
    """Of one station; `status` is the last boot answer, None when it never booted here."""

    status: str | None = None
    asked: set[str] = field(default_factory=set)

    def booted(self, status: str) -> None:
        self.status = status
        self.asked.clear()

    def called(self, action: str, payload: dict[str, Any]) -> None:
        """The CSMS called the station, which may ask for messages."""
        requested = payload.get("requestedMessage", ASKED_BY.get(action))
        if isinstance(requested, str):
            self.asked.add(requested)

    def allows(self, action: str) -> bool:
        if action == "BootNotification" or self.status == "Accepted":
            return True
        return self.status == "Pending" and action in self.asked
