"""The OCPP variables of a station: names in 2.0.1 and in 1.6, types, ranges and defaults."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from controller.charging.charging_profiles import MAX_INSTALLED, MAX_PERIODS, MAX_STACK_LEVEL


class DataType(enum.Enum):
    """In the spelling of OCPP 2.x DataEnumType."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    STRING = "string"
    DATE_TIME = "dateTime"
    MEMBER_LIST = "MemberList"
    SEQUENCE_LIST = "SequenceList"
    OPTION_LIST = "OptionList"


class Access(enum.Enum):
    """In the spelling of OCPP 2.x MutabilityEnumType."""

    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"
    WRITE_ONLY = "WriteOnly"


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting. `key` is its 1.6 name; `component` is empty where only 1.6 has it, `key` None where only 2.x.

    `limits` bound an integer, or the length of a string. `reboot`: takes effect at the next boot.
    `computed`: read-only, and its value is known only while the station runs.
    """

    component: str
    variable: str
    key: str | None
    type: DataType
    default: str
    access: Access = Access.READ_ONLY
    instance: str | None = None
    limits: tuple[int, int] = (0, 500)
    members: tuple[str, ...] = ()
    unit: str | None = None
    reboot: bool = False
    computed: bool = False

    @property
    def name(self) -> str:
        """What the store and `[csms.initial]` call it."""
        if not self.component:
            return self.key or ""
        instance = f"[{self.instance}]" if self.instance else ""
        return f"{self.component}.{self.variable}{instance}"


RW = Access.READ_WRITE
BOOL, INT, TEXT = DataType.BOOLEAN, DataType.INTEGER, DataType.STRING
DAY_S = 86_400
COMM, AUTH, TX, SAMPLED, ALIGNED = "OCPPCommCtrlr", "AuthCtrlr", "TxCtrlr", "SampledDataCtrlr", "AlignedDataCtrlr"
LIST, CACHE, SECURITY, DEVICE, CLOCK = (
    "LocalAuthListCtrlr",
    "AuthCacheCtrlr",
    "SecurityCtrlr",
    "DeviceDataCtrlr",
    "ClockCtrlr",
)

SMART = "SmartChargingCtrlr"
PROFILE_COUNT = f"{SMART}.Entries[ChargingProfiles]"

ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"
CURRENT, OFFERED = "Current.Import", "Current.Offered"
POWER_OFFERED, SOC = "Power.Offered", "SoC"
MEASURANDS = (ENERGY, POWER, CURRENT, OFFERED, POWER_OFFERED, SOC)
"""The last two are those of DC outlets, which tell no currents of their input."""
ALL_MEASURANDS = ",".join(MEASURANDS)

MAX_ITEMS = 100
MAX_BYTES = 65_536
MAX_LIST_ITEMS = 1_000
MAX_LIST_LENGTH = 50_000


def _flag(component: str, variable: str, key: str | None, default: str) -> Variable:
    return Variable(component, variable, key, BOOL, default, RW)


def _seconds(names: tuple[str, str, str | None], default: int, limits: tuple[int, int]) -> Variable:
    return Variable(*names, INT, str(default), RW, limits=limits, unit="s")


def _fixed(component: str, variable: str, value: object, key: str | None = None) -> Variable:
    """A read-only fact; booleans and integers say their own type."""
    if isinstance(value, bool):
        return Variable(component, variable, key, BOOL, str(value).lower())
    return Variable(component, variable, key, INT if isinstance(value, int) else TEXT, str(value))


def _fact(component: str, variable: str, key: str | None, data_type: DataType) -> Variable:
    return Variable(component, variable, key, data_type, "", computed=True)


def _measurands(component: str, variable: str, key: str | None, default: str) -> Variable:
    return Variable(component, variable, key, DataType.MEMBER_LIST, default, RW, members=MEASURANDS)


def _per_message(variable: str, message: str, value: int) -> Variable:
    return Variable(DEVICE, variable, None, INT, str(value), instance=message)


_WRITABLE = (
    _seconds((COMM, "HeartbeatInterval", "HeartbeatInterval"), 300, (1, DAY_S)),
    _seconds((COMM, "WebSocketPingInterval", "WebSocketPingInterval"), 60, (0, DAY_S)),
    _seconds((COMM, "OfflineThreshold", None), 60, (0, 30 * DAY_S)),
    _seconds((COMM, "RetryBackOffWaitMinimum", None), 5, (0, 3600)),
    _seconds((COMM, "RetryBackOffRandomRange", None), 10, (0, 3600)),
    Variable(COMM, "RetryBackOffRepeatTimes", None, INT, "5", RW, limits=(0, 10)),
    Variable(COMM, "MessageTimeout", "MessageTimeout", INT, "30", RW, "Default", (1, 600), unit="s"),
    Variable(COMM, "MessageAttempts", "TransactionMessageAttempts", INT, "3", RW, "TransactionEvent", (1, 100)),
    Variable(
        COMM, "MessageAttemptInterval", "TransactionMessageRetryInterval", INT, "60", RW, "TransactionEvent",
        (0, DAY_S), unit="s",
    ),
    _flag(AUTH, "AuthorizeRemoteStart", "AuthorizeRemoteTxRequests", "false"),
    _flag(AUTH, "LocalAuthorizeOffline", "LocalAuthorizeOffline", "true"),
    _flag(AUTH, "LocalPreAuthorize", "LocalPreAuthorize", "false"),
    _flag(AUTH, "OfflineTxForUnknownIdEnabled", "AllowOfflineTxForUnknownId", "false"),
    _flag(CACHE, "Enabled", "AuthorizationCacheEnabled", "true"),
    _seconds((CACHE, "LifeTime", None), 0, (0, 3650 * DAY_S)),
    _flag(LIST, "Enabled", "LocalAuthListEnabled", "true"),
    _seconds((TX, "EVConnectionTimeOut", "ConnectionTimeOut"), 120, (1, DAY_S)),
    _flag(TX, "StopTxOnInvalidId", "StopTransactionOnInvalidId", "true"),
    _seconds((SAMPLED, "TxUpdatedInterval", "MeterValueSampleInterval"), 60, (0, DAY_S)),
    _measurands(SAMPLED, "TxStartedMeasurands", None, ENERGY),
    _measurands(SAMPLED, "TxUpdatedMeasurands", "MeterValuesSampledData", ALL_MEASURANDS),
    _measurands(SAMPLED, "TxEndedMeasurands", "StopTxnSampledData", ENERGY),
    Variable(SMART, "LimitChangeSignificance", None, DataType.DECIMAL, "5", RW, limits=(0, 100), unit="Percent"),
    _flag(SMART, "NotifyChargingLimitWithSchedules", None, "false"),
    Variable(SECURITY, "BasicAuthPassword", "AuthorizationKey", TEXT, "", Access.WRITE_ONLY, limits=(16, 40)),
)  # fmt: skip

_LIMITED_MESSAGES = ("GetReport", "GetVariables", "SetVariables")

_FIXED = (
    _fixed(COMM, "ActiveNetworkProfile", 1),
    _fixed(COMM, "FileTransferProtocols", ""),
    _fixed(COMM, "NetworkConfigurationPriority", "1"),
    _fixed(COMM, "NetworkProfileConnectionAttempts", 1),
    _fixed(COMM, "QueueAllMessages", value=False),
    _fixed(COMM, "ResetRetries", 0, "ResetRetries"),
    _fixed(COMM, "UnlockOnEVSideDisconnect", True, "UnlockConnectorOnEVSideDisconnect"),
    _fixed(AUTH, "Enabled", value=True),
    _fixed(CACHE, "Available", value=True),
    _fixed(LIST, "Available", value=True),
    _fixed(LIST, "ItemsPerMessage", MAX_LIST_ITEMS, "SendLocalListMaxLength"),
    _fixed(LIST, "BytesPerMessage", 1_000_000),
    _fixed(LIST, "SupportsExpiryDateTime", value=True),
    _fixed(TX, "StopTxOnEVSideDisconnect", True, "StopTransactionOnEVSideDisconnect"),
    _fixed(TX, "TxBeforeAcceptedEnabled", value=True),
    Variable(TX, "TxStartPoint", None, DataType.MEMBER_LIST, "PowerPathClosed", members=("PowerPathClosed",)),
    Variable(TX, "TxStopPoint", None, DataType.MEMBER_LIST, "EVConnected,Authorized",
             members=("EVConnected", "Authorized")),
    _fixed(SAMPLED, "Available", value=True),
    _fixed(SAMPLED, "Enabled", value=True),
    _fixed(SAMPLED, "TxEndedInterval", 0),
    _fixed(ALIGNED, "Available", value=False),
    _fixed(ALIGNED, "Enabled", value=False),
    _fixed(ALIGNED, "Interval", 0, "ClockAlignedDataInterval"),
    _fixed(ALIGNED, "Measurands", "", "MeterValuesAlignedData"),
    _fixed(ALIGNED, "TxEndedInterval", 0),
    _fixed(ALIGNED, "TxEndedMeasurands", "", "StopTxnAlignedData"),
    _fixed(SECURITY, "CertificateEntries", 0),
    _fact(SECURITY, "Identity", None, TEXT),
    _fact(SECURITY, "SecurityProfile", "SecurityProfile", INT),
    _fixed(SECURITY, "OrganizationName", ""),
    _fact(CLOCK, "DateTime", None, DataType.DATE_TIME),
    Variable(CLOCK, "TimeSource", None, DataType.SEQUENCE_LIST, "Heartbeat", members=("Heartbeat",)),
    *(_per_message("ItemsPerMessage", message, MAX_ITEMS) for message in _LIMITED_MESSAGES),
    *(_per_message("BytesPerMessage", message, MAX_BYTES) for message in _LIMITED_MESSAGES),
    _fixed(SMART, "Available", value=True),
    _fixed(SMART, "Enabled", value=True),
    _fixed(SMART, "ACPhaseSwitchingSupported", value=False),
    _fixed(SMART, "Phases3to1", False, "ConnectorSwitch3to1PhaseSupported"),
    _fixed(SMART, "ProfileStackLevel", MAX_STACK_LEVEL, "ChargeProfileMaxStackLevel"),
    _fixed(SMART, "PeriodsPerSchedule", MAX_PERIODS, "ChargingScheduleMaxPeriods"),
    Variable(SMART, "RateUnit", None, DataType.MEMBER_LIST, "A,W", members=("A", "W")),
    Variable(SMART, "Entries", None, INT, "0", Access.READ_ONLY, "ChargingProfiles", (0, MAX_INSTALLED),
             computed=True),
    _fixed("", "", "Current,Power", "ChargingScheduleAllowedChargingRateUnit"),
    _fixed("", "", MAX_INSTALLED, "MaxChargingProfilesInstalled"),
    _fixed("", "", MAX_ITEMS, "GetConfigurationMaxKeys"),
    _fixed("", "", MAX_LIST_LENGTH, "LocalAuthListMaxLength"),
    _fixed("", "", "Core,LocalAuthListManagement,RemoteTrigger,SmartCharging", "SupportedFeatureProfiles"),
    _fixed("", "", "NotApplicable", "ConnectorPhaseRotation"),
    _fixed("", "", len(MEASURANDS), "MeterValuesSampledDataMaxLength"),
    _fixed("", "", len(MEASURANDS), "StopTxnSampledDataMaxLength"),
    _fact("", "", "NumberOfConnectors", INT),
)  # fmt: skip

TABLE: tuple[Variable, ...] = (*_WRITABLE, *_FIXED)

BY_NAME: Mapping[str, Variable] = {v.name: v for v in TABLE} | {v.key: v for v in TABLE if v.key}
BY_KEY: Mapping[str, Variable] = {v.key: v for v in TABLE if v.key}
"""1.6 configuration keys."""
COMPONENTS = frozenset(v.component for v in TABLE if v.component)
