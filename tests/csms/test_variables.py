"""The table of variables; each writable one changes behaviour (R33)."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from controller.charging.rules import AuthorisationRules, Rules
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice
from controller.csms.table import BY_KEY, TABLE, Access, DataType, Variable
from controller.csms.variables import (
    VariableError,
    Variables,
    checked,
    find,
    first_values,
    listing,
    normal,
    put,
    rules,
)
from controller.store.store import Store

NOWHERE = CsmsSlice("operator", "wss://x/", Version.V201, "p", None, lab=False, stations=(), initial={})

RULES_OF = {
    "TxCtrlr.EVConnectionTimeOut": ("7", Rules(connection_timeout_s=7)),
    "SampledDataCtrlr.TxUpdatedInterval": ("7", Rules(sample_interval_s=7)),
    "TxCtrlr.StopTxOnInvalidId": ("false", Rules(stop_on_invalid=False)),
    "AuthCtrlr.LocalAuthorizeOffline": ("false", Rules(authorisation=AuthorisationRules(authorize_offline=False))),
    "AuthCtrlr.LocalPreAuthorize": ("true", Rules(authorisation=AuthorisationRules(pre_authorize=True))),
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": (
        "true",
        Rules(authorisation=AuthorisationRules(offline_unknown=True)),
    ),
    "AuthCacheCtrlr.Enabled": ("false", Rules(authorisation=AuthorisationRules(cache_enabled=False))),
    "AuthCacheCtrlr.LifeTime": ("7", Rules(authorisation=AuthorisationRules(cache_life_s=7))),
    "LocalAuthListCtrlr.Enabled": ("false", Rules(authorisation=AuthorisationRules(list_enabled=False))),
    "AuthCtrlr.AuthorizeRemoteStart": ("true", Rules(authorisation=AuthorisationRules(authorize_remote=True))),
}
TESTED_ELSEWHERE = {
    "OCPPCommCtrlr.HeartbeatInterval": "test_station",
    "OCPPCommCtrlr.OfflineThreshold": "test_station",
    "OCPPCommCtrlr.WebSocketPingInterval": "test_link",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "test_link",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "test_link",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "test_link",
    "OCPPCommCtrlr.MessageTimeout[Default]": "test_link",
    "SecurityCtrlr.BasicAuthPassword": "test_link",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "test_sender",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "test_sender",
    "SmartChargingCtrlr.LimitChangeSignificance": "test_external_limits",
    "SmartChargingCtrlr.NotifyChargingLimitWithSchedules": "test_external_limits",
    "SampledDataCtrlr.TxStartedMeasurands": "test_sender",
    "SampledDataCtrlr.TxUpdatedMeasurands": "test_sender",
    "SampledDataCtrlr.TxEndedMeasurands": "test_sender",
}


def test_r33_every_writable_variable_has_a_test_of_its_effect() -> None:
    writable = {variable.name for variable in TABLE if variable.access is not Access.READ_ONLY}
    assert writable == set(RULES_OF) | set(TESTED_ELSEWHERE)


@pytest.mark.parametrize("name", RULES_OF)
def test_r33_a_variable_of_the_core_changes_its_rules(name: str) -> None:
    value, expected = RULES_OF[name]
    assert rules({name: value}) == expected
    assert rules({}) == Rules() != expected


def test_names_are_unique_in_both_spellings() -> None:
    names = [variable.name for variable in TABLE]
    keys = [variable.key for variable in TABLE if variable.key]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("variable", [v for v in TABLE if not v.computed and v.default], ids=lambda v: v.name)
def test_defaults_fit_their_own_type(variable: Variable) -> None:
    unbounded = replace(variable, limits=(0, 10**9)) if variable.access is Access.READ_ONLY else variable
    assert normal(unbounded, variable.default) == variable.default


def test_core_keys_of_16_are_there() -> None:
    required = """AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation
        GetConfigurationMaxKeys HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize MeterValuesAlignedData
        MeterValuesSampledData MeterValueSampleInterval NumberOfConnectors ResetRetries
        StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData StopTxnSampledData
        SupportedFeatureProfiles TransactionMessageAttempts TransactionMessageRetryInterval
        UnlockConnectorOnEVSideDisconnect LocalAuthListEnabled LocalAuthListMaxLength SendLocalListMaxLength
        AuthorizationKey SecurityProfile"""
    assert set(required.split()) <= set(BY_KEY)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("Nonsense", "1", "no such variable"),
        ("TxCtrlr.TxStartPoint", "EVConnected", "read-only"),
        ("HeartbeatInterval", "soon", "an integer"),
        ("HeartbeatInterval", "1.5", "an integer"),
        ("HeartbeatInterval", "0", "from 1 to"),
        ("HeartbeatInterval", "9" * 30, "an integer"),
        ("HeartbeatInterval", "-5", "from 1 to"),
        ("HeartbeatInterval", "٣", "an integer"),
        ("LocalPreAuthorize", "yes", "true or false"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "1e1", "decimal"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "", "decimal"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "٣", "decimal"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "100.1", "from 0 to"),
        ("MeterValuesSampledData", "Voltage", "'Voltage' is none of"),
        ("MeterValuesSampledData", "Power.Active.Import,Power.Active.Import", "twice"),
        ("AuthorizationKey", "short", "16 to 40"),
        ("AuthorizationKey", "0123456789abcde\n0123", "printable"),
    ],
)
def test_a_bad_assignment_is_refused_with_its_key(name: str, value: str, why: str) -> None:
    with pytest.raises(VariableError, match=why) as refused:
        checked(name, value)
    assert refused.value.key == name
    assert name in str(refused.value)


def test_both_spellings_name_one_variable() -> None:
    assert find("AuthorizeRemoteTxRequests") is find("AuthCtrlr.AuthorizeRemoteStart")
    assert checked("LocalPreAuthorize", "TRUE")[1] == "true"
    assert checked("AuthCtrlr.LocalPreAuthorize", True)[1] == "true"


@pytest.mark.parametrize(
    ("initial", "key"),
    [
        ({"AuthCtrlr.Nothing": 1}, "AuthCtrlr.Nothing"),
        ({"HeartbeatInterval": "x"}, "HeartbeatInterval"),
        ({"AuthorizationKey": "0123456789abcdef"}, "AuthorizationKey"),
        ({"HeartbeatInterval": 5, "OCPPCommCtrlr.HeartbeatInterval": 6}, "OCPPCommCtrlr.HeartbeatInterval"),
    ],
)
def test_a_bad_first_value_names_its_key(initial: Mapping[str, object], key: str) -> None:
    with pytest.raises(VariableError) as refused:
        first_values(initial)
    assert refused.value.key == key


async def test_first_values_count_only_in_an_empty_store(store: Store) -> None:
    first = await Variables.load(store, replace(NOWHERE, initial={"HeartbeatInterval": 77}))
    assert first.integer("OCPPCommCtrlr.HeartbeatInterval") == 77
    second = await Variables.load(store, replace(NOWHERE, initial={"HeartbeatInterval": 88}))
    assert second.integer("OCPPCommCtrlr.HeartbeatInterval") == 77


async def test_r28_values_belong_to_one_csms(store: Store) -> None:
    await Variables.load(store, replace(NOWHERE, initial={"HeartbeatInterval": 77}))
    other = await Variables.load(store, replace(NOWHERE, id="other"))
    assert other.integer("OCPPCommCtrlr.HeartbeatInterval") == 300


async def test_a_set_value_is_durable_told_and_in_effect(store: Store) -> None:
    variables = await Variables.load(store, NOWHERE)
    heard: list[str] = []
    variables.listeners.append(heard.append)
    await variables.set("LocalPreAuthorize", "True")
    assert variables.rules().authorisation.pre_authorize
    assert heard == ["AuthCtrlr.LocalPreAuthorize"]
    assert (await Variables.load(store, NOWHERE)).flag("AuthCtrlr.LocalPreAuthorize")
    with pytest.raises(VariableError):
        await variables.set("LocalPreAuthorize", "perhaps")
    assert variables.flag("AuthCtrlr.LocalPreAuthorize")


async def test_stored_values_that_no_longer_fit_give_way_to_the_default(store: Store) -> None:
    await store.set_variables("operator", {"OCPPCommCtrlr.HeartbeatInterval": "x", "Gone.Variable": "1"})
    variables = await Variables.load(store, NOWHERE)
    assert variables.integer("OCPPCommCtrlr.HeartbeatInterval") == 300
    assert "Gone.Variable" not in variables.values


async def test_the_command_line_lists_and_puts_values(store: Store) -> None:
    variable, text = await put(store, "operator", ("HeartbeatInterval", 42))
    assert (variable.name, text) == ("OCPPCommCtrlr.HeartbeatInterval", "42")
    values = await store.variables("operator")
    assert [each.value for each in listing(values, "heartbeatint")] == ["42"]
    secrets = [each.value for each in listing({"SecurityCtrlr.BasicAuthPassword": "s" * 20}, "AuthorizationKey")]
    assert secrets == [None], "a password is never shown"


def test_every_type_has_a_check() -> None:
    for data_type in DataType:
        assert any(variable.type is data_type for variable in TABLE) or data_type is DataType.OPTION_LIST
