"""Schemas: which actions there are, and what is wrong with a payload."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.csms.rpc import Fault, Payload
from controller.csms.schemas import Kind, Version, known, validate

V16, V201 = Version.V16, Version.V201


def test_actions_of_each_version_are_known() -> None:
    assert known(V16, "RemoteStartTransaction")
    assert known(V16, "GetLog"), "the security extension"
    assert known(V201, "RequestStartTransaction")
    for version, action in [(V16, "TransactionEvent"), (V201, "StartTransaction"), (V201, "../x"), (V16, "")]:
        assert not known(version, action)
    assert not known(V201, "HeartbeatRequest")
    assert not known(V16, "HeartbeatResponse")


@pytest.mark.parametrize(
    ("version", "action", "payload", "fault"),
    [
        (V16, "Reset", {"type": "Hard"}, None),
        (V16, "Reset", {}, Fault.PROTOCOL),
        (V16, "Reset", {"type": "Soon"}, Fault.PROPERTY),
        (V16, "Reset", {"type": 1}, Fault.TYPE),
        (V16, "Reset", {"type": "Hard", "evse": 1}, Fault.FORMAT),
        (V16, "ChangeConfiguration", {"key": "x" * 51, "value": ""}, Fault.PROPERTY),
        (V16, "UnlockConnector", {"connectorId": 10**30}, Fault.PROPERTY),
        (V201, "Reset", {"type": "OnIdle"}, None),
        (V201, "Reset", {}, Fault.OCCURRENCE),
        (V201, "Reset", {"type": "Hard"}, Fault.PROPERTY),
        (V201, "Reset", {"type": "OnIdle", "evseId": "1"}, Fault.TYPE),
        (V201, "Reset", {"type": "OnIdle", "when": 1}, Fault.FORMAT),
        (V201, "GetVariables", {"getVariableData": []}, Fault.OCCURRENCE),
        (V201, "RequestStopTransaction", {"transactionId": "x" * 37}, Fault.PROPERTY),
    ],
)
def test_a_problem_has_the_fault_of_its_kind(
    version: Version, action: str, payload: Payload, fault: Fault | None
) -> None:
    problem = validate(version, action, Kind.REQUEST, payload)
    assert (None if problem is None else problem.fault) is fault


def test_a_tenth_of_an_ampere_is_a_tenth() -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    payload = {"idTag": "A", "chargingProfile": profile}
    assert validate(V16, "RemoteStartTransaction", Kind.REQUEST, payload) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
names = st.sampled_from(["idTag", "evseId", "type", "connectorId", "idToken", "localAuthorizationList", "key"])


@given(payload=st.dictionaries(names, values, max_size=4), version=st.sampled_from(list(Version)))
def test_no_payload_breaks_the_validator(payload: dict[str, object], version: Version) -> None:
    action = "SendLocalList"
    validate(version, action, Kind.REQUEST, payload)
