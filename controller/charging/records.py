"""What must not be lost: the entries of ledger and outbox, free of any OCPP version."""

import enum
from dataclasses import dataclass

from controller.charging.instant import Instant
from controller.charging.tokens import BilledBy, Token
from drivers.api import Phases


class ChargingState(enum.Enum):
    """State of a transaction, in the spelling of OCPP 2.x ChargingStateEnumType."""

    CHARGING = "Charging"
    EV_CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class Trigger(enum.Enum):
    """Why an entry was written, in the spelling of OCPP 2.x TriggerReasonEnumType."""

    AUTHORIZED = "Authorized"
    CABLE_PLUGGED_IN = "CablePluggedIn"
    CHARGING_STATE_CHANGED = "ChargingStateChanged"
    DEAUTHORIZED = "Deauthorized"
    EV_COMMUNICATION_LOST = "EVCommunicationLost"
    EV_DEPARTED = "EVDeparted"
    METER_VALUE_CLOCK = "MeterValueClock"
    METER_VALUE_PERIODIC = "MeterValuePeriodic"
    REMOTE_START = "RemoteStart"
    REMOTE_STOP = "RemoteStop"
    RESET_COMMAND = "ResetCommand"
    STOP_AUTHORIZED = "StopAuthorized"
    TRIGGER = "Trigger"
    UNLOCK_COMMAND = "UnlockCommand"
    ABNORMAL_CONDITION = "AbnormalCondition"


class StopReason(enum.Enum):
    """Why a transaction ended, in the spelling of OCPP 2.x ReasonEnumType."""

    DEAUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    UNLOCK_COMMAND = "UnlockCommand"


class SampleContext(enum.Enum):
    """When a meter value was taken, in the spelling of OCPP ReadingContextEnumType."""

    BEGIN = "Transaction.Begin"
    END = "Transaction.End"
    PERIODIC = "Sample.Periodic"
    CLOCK = "Sample.Clock"
    TRIGGER = "Trigger"


@dataclass(frozen=True, slots=True)
class MeterValue:
    """A reading that is reported upstream. `energy_wh` is the lifetime register, raw and not rebased.

    Of a DC outlet energy and powers are those of its DC side, it has `offered_w` instead of the currents, and
    perhaps the charge of the EV's battery.
    """

    context: SampleContext
    energy_wh: int
    power_w: int | None = None
    current_ma: Phases | None = None
    offered_ma: int | None = None
    offered_w: int | None = None
    soc_percent: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """`transaction` is our own key, a UUID that never repeats: the transactionId of OCPP 2.x."""

    transaction: str
    seq: int
    evse: str
    at: Instant
    trigger: Trigger
    state: ChargingState
    token: Token
    billed_by: BilledBy
    meter: MeterValue
    remote_start_id: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionUpdated:
    transaction: str
    seq: int
    evse: str
    at: Instant
    trigger: Trigger
    state: ChargingState
    meter: MeterValue | None = None


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """`token` is who stopped it, None unless a card did. `estimated`: the register was last read before the end."""

    transaction: str
    seq: int
    evse: str
    at: Instant
    trigger: Trigger
    state: ChargingState
    reason: StopReason
    meter: MeterValue
    token: Token | None = None
    estimated: bool = False


Entry = TransactionStarted | TransactionUpdated | TransactionEnded


@dataclass(frozen=True, slots=True)
class Route:
    """Where an EVSE's entries go: one station of one CSMS (R28, R31)."""

    csms: str
    identity: str
