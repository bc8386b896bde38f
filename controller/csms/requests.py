"""What a CSMS can want of a station, free of any version: `decode` makes these, `desk` fulfils them."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.charging.charging_profiles import ChargingProfile, RateUnit
from controller.charging.commands import Command, Outcome
from controller.charging.profile_book import Criteria, Installed
from controller.charging.tokens import TokenInfo
from controller.charging.view import EvseView
from controller.csms.limits import ExternalLimit
from controller.csms.rpc import Fault, Payload
from controller.csms.table import Variable
from controller.csms.variables import VariableError


class RefusalError(Exception):
    """Answer the CALL of the CSMS with CALLERROR."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text


@dataclass(frozen=True, slots=True)
class Ids:
    """The EVSEs of one station; their OCPP numbers count from 1."""

    evses: tuple[str, ...]

    def evse(self, number: object) -> str | None:
        known = isinstance(number, int) and not isinstance(number, bool) and 0 < number <= len(self.evses)
        return self.evses[number - 1] if known and isinstance(number, int) else None

    def number(self, evse: str) -> int | None:
        return self.evses.index(evse) + 1 if evse in self.evses else None

    def __contains__(self, evse: str) -> bool:
        return evse in self.evses


@dataclass(frozen=True, slots=True)
class Present:
    """What variables can be read from: the values, and what the EVSEs show (None: not there yet)."""

    values: Mapping[str, str]
    evses: tuple[EvseView | None, ...]
    firmware: str


class Wanted(enum.Enum):
    """What a CSMS can have sent out of turn."""

    BOOT = "boot"
    HEARTBEAT = "heartbeat"
    STATUS = "status"
    METER_VALUES = "meter values"
    TRANSACTION = "transaction"


class ListResult(enum.Enum):
    ACCEPTED = "Accepted"
    FAILED = "Failed"
    VERSION_MISMATCH = "VersionMismatch"
    NOT_SUPPORTED = "NotSupported"


@dataclass(frozen=True, slots=True)
class Told:
    """The answer is known at once."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class Asked:
    """The site decides. `reboots`: once it has done so, the whole station boots anew."""

    command: Command
    answer: Callable[[Outcome], Payload]
    reboots: bool = False


@dataclass(frozen=True, slots=True)
class StopByRemoteId:
    """Stop the transaction that the CSMS calls `remote_id` (1.6)."""

    remote_id: str
    answer: Callable[[Outcome], Payload]


@dataclass(frozen=True, slots=True)
class ReadVariables:
    answer: Callable[[Present], Payload]


Written = Variable | VariableError


@dataclass(frozen=True, slots=True)
class WriteVariables:
    """`answer` gets one result for each assignment, in order."""

    assignments: tuple[tuple[str, str], ...]
    answer: Callable[[Sequence[Written]], Payload]


@dataclass(frozen=True, slots=True)
class SendReport:
    """`data` are the report's items; they follow in NotifyReport."""

    request_id: int
    data: Callable[[Present], Sequence[Payload]]
    payload: Payload


@dataclass(frozen=True, slots=True)
class UpdateList:
    """`removed` are uids that a differential update takes off the list."""

    version: int
    full: bool
    infos: tuple[TokenInfo, ...]
    removed: tuple[str, ...]
    answer: Callable[[ListResult], Payload]


@dataclass(frozen=True, slots=True)
class ListVersion:
    answer: Callable[[int], Payload]


@dataclass(frozen=True, slots=True)
class EmptyCache:
    answer: Callable[[bool], Payload]


@dataclass(frozen=True, slots=True)
class Trigger:
    """`evses` are those that it concerns. `boot_again`: allowed although the station is accepted."""

    wanted: Wanted
    evses: tuple[str, ...]
    answer: Callable[[bool], Payload]
    boot_again: bool = False


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """`answer` gets whether it runs (None: no transaction was named) and whether messages wait."""

    transaction: str | None
    answer: Callable[[bool | None, bool], Payload]


@dataclass(frozen=True, slots=True)
class InstallProfile:
    """`remote_id` is what the CSMS calls the transaction that a TxProfile is for (1.6)."""

    evse: str
    profile: ChargingProfile
    answer: Callable[[Outcome], Payload]
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClearProfiles:
    criteria: Criteria
    answer: Callable[[Outcome], Payload]


@dataclass(frozen=True, slots=True)
class SendProfiles:
    """Those that fit follow in ReportChargingProfiles. `criteria` None: none that a CSMS has set can.

    `reports` picks among the external limits itself; `answer` gets whether there is anything to report.
    """

    criteria: Criteria | None
    answer: Callable[[bool], Payload]
    reports: Callable[[Sequence[Installed], Sequence[ExternalLimit]], Sequence[Payload]]


@dataclass(frozen=True, slots=True)
class Composite:
    """The schedule of an EVSE, or of the station."""

    evse: str
    duration_s: int
    unit: RateUnit | None
    answer: Callable[[Outcome], Payload]


Request = (
    Told
    | Asked
    | StopByRemoteId
    | ReadVariables
    | WriteVariables
    | SendReport
    | UpdateList
    | ListVersion
    | EmptyCache
    | Trigger
    | TransactionStatus
    | InstallProfile
    | ClearProfiles
    | SendProfiles
    | Composite
)
