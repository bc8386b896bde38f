"""OCPP-J without I/O."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.csms.rpc import (
    OCPP2,
    OCPP16,
    Broken,
    CallReceived,
    ErrorReceived,
    Fault,
    OneCallOnlyError,
    ResultReceived,
    Session,
    Stray,
    Wording,
    fault_of,
)

BOTH = pytest.mark.parametrize("wording", [OCPP16, OCPP2], ids=["1.6", "2.0.1"])


@BOTH
def test_a_call_is_written_and_its_result_read(wording: Wording) -> None:
    session = Session(wording)
    message_id, text = session.call("Heartbeat", {})
    assert json.loads(text) == [2, message_id, "Heartbeat", {}]
    assert session.receive(json.dumps([3, message_id, {"a": 1}])) == ResultReceived(message_id, {"a": 1})
    assert session.open_call is None


@BOTH
def test_only_one_call_is_open(wording: Wording) -> None:
    session = Session(wording)
    session.call("Heartbeat", {})
    with pytest.raises(OneCallOnlyError):
        session.call("Heartbeat", {})


@BOTH
def test_message_ids_are_never_used_twice_and_fit(wording: Wording) -> None:
    session = Session(wording)
    ids = []
    for _ in range(100):
        ids.append(session.call("Heartbeat", {})[0])
        session.abandon()
    assert len(set(ids)) == 100
    assert all(0 < len(each) <= 36 for each in ids)


@BOTH
def test_a_late_answer_is_stray_and_leaves_the_open_call(wording: Wording) -> None:
    session = Session(wording)
    late, _ = session.call("Heartbeat", {})
    session.abandon()
    now, _ = session.call("Heartbeat", {})
    assert session.receive(json.dumps([3, late, {}])) == Stray(late)
    assert session.receive(json.dumps([4, late, "InternalError", "", {}])) == Stray(late)
    assert session.open_call == now
    assert isinstance(session.receive(json.dumps([3, now, {}])), ResultReceived)
    assert session.receive(json.dumps([3, now, {}])) == Stray(now), "a second answer"


@BOTH
def test_an_error_is_read_with_and_without_its_optional_parts(wording: Wording) -> None:
    for rest in ([], ["text"], ["text", {}]):
        session = Session(wording)
        message_id, _ = session.call("Heartbeat", {})
        event = session.receive(json.dumps([4, message_id, "InternalError", *rest]))
        assert isinstance(event, ErrorReceived)
        assert event.fault is Fault.INTERNAL


@BOTH
def test_a_call_is_received_and_answered(wording: Wording) -> None:
    session = Session(wording)
    assert session.receive('[2,"7","Reset",{"type":"Hard"}]') == CallReceived("7", "Reset", {"type": "Hard"})
    assert json.loads(session.result("7", {"status": "Accepted"})) == [3, "7", {"status": "Accepted"}]


@BOTH
def test_a_call_that_repeats_the_id_of_an_open_one_is_not_worked_on_twice(wording: Wording) -> None:
    session = Session(wording)
    session.receive('[2,"7","Reset",{}]')
    event = session.receive('[2,"7","Reset",{}]')
    assert isinstance(event, Broken)
    assert event.answer is None
    session.result("7", {})
    assert isinstance(session.receive('[2,"7","Reset",{}]'), CallReceived)


@pytest.mark.parametrize(
    ("fault", "code16", "code2"),
    [
        (Fault.FORMAT, "FormationViolation", "FormatViolation"),
        (Fault.OCCURRENCE, "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        (Fault.TYPE, "TypeConstraintViolation", "TypeConstraintViolation"),
        (Fault.PROPERTY, "PropertyConstraintViolation", "PropertyConstraintViolation"),
        (Fault.NOT_IMPLEMENTED, "NotImplemented", "NotImplemented"),
        (Fault.NOT_SUPPORTED, "NotSupported", "NotSupported"),
        (Fault.PROTOCOL, "ProtocolError", "ProtocolError"),
        (Fault.INTERNAL, "InternalError", "InternalError"),
        (Fault.GENERIC, "GenericError", "GenericError"),
        (Fault.SECURITY, "SecurityError", "SecurityError"),
    ],
)
def test_error_codes_have_the_spelling_of_the_version(fault: Fault, code16: str, code2: str) -> None:
    assert json.loads(Session(OCPP16).error("1", fault))[2] == code16
    assert json.loads(Session(OCPP2).error("1", fault))[2] == code2
    assert fault_of(code16) is fault
    assert fault_of(code2) is fault


def test_an_unknown_error_code_is_a_generic_error() -> None:
    assert fault_of("VendorPanic") is Fault.GENERIC


UNREADABLE = [
    "",
    "x",
    "{}",
    "[]",
    "[2",
    '"2"',
    "null",
    "NaN",
    "[NaN]",
    "[1e999]",
    "[" * 5000,
    "\ud800",
    '["\\ud800"]',
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_unreadable_frame_is_answered_with_id_minus_one_in_2x_and_not_at_all_in_16(text: str) -> None:
    event = Session(OCPP2).receive(text)
    assert isinstance(event, Broken)
    assert event.answer is not None
    assert json.loads(event.answer)[:3] == [4, "-1", "RpcFrameworkError"]
    event = Session(OCPP16).receive(text)
    assert isinstance(event, Broken)
    assert event.answer is None


@pytest.mark.parametrize(
    ("frame", "code16", "code2"),
    [
        ([2, "7", "Reset", []], "FormationViolation", "FormatViolation"),
        ([2, "7", "Reset", None], "FormationViolation", "FormatViolation"),
        ([2, "7", "Reset"], "FormationViolation", "RpcFrameworkError"),
        ([2, "7", "Reset", {}, {}], "FormationViolation", "RpcFrameworkError"),
        ([2, "7", 5, {}], "FormationViolation", "RpcFrameworkError"),
        ([2, "7", "", {}], "FormationViolation", "RpcFrameworkError"),
        ([True, "7", "Reset", {}], "FormationViolation", "RpcFrameworkError"),
        ([2.0, "7", "Reset", {}], "FormationViolation", "RpcFrameworkError"),
        ([9, "7", "Reset", {}], None, "MessageTypeNotSupported"),
        ([6, "7", "Reset", {}], None, "MessageTypeNotSupported"),
        ([2, 7, "Reset", {}], None, "RpcFrameworkError"),
        ([2, "x" * 37, "Reset", {}], None, "RpcFrameworkError"),
    ],
)
def test_a_malformed_call_gets_the_code_of_its_fault(frame: list[object], code16: str | None, code2: str) -> None:
    readable = isinstance(frame[1], str) and len(frame[1]) <= 36
    for wording, code in ((OCPP16, code16), (OCPP2, code2)):
        event = Session(wording).receive(json.dumps(frame))
        assert isinstance(event, Broken)
        if code is None:
            assert event.answer is None
        else:
            assert event.answer is not None
            assert json.loads(event.answer)[:3] == [4, "7" if readable else "-1", code]


@BOTH
@pytest.mark.parametrize("frame", [[3, "ID"], [3, "ID", []], [4, "ID"], [4, "ID", 5], [4, "ID", "x", "", {}, {}]])
def test_a_malformed_answer_is_never_answered(wording: Wording, frame: list[object]) -> None:
    session = Session(wording)
    message_id, _ = session.call("Heartbeat", {})
    event = session.receive(json.dumps([message_id if part == "ID" else part for part in frame]))
    assert isinstance(event, Broken)
    assert event.answer is None
    assert session.open_call == message_id


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
frames = st.one_of(
    st.text(),
    st.binary(),
    json_values.map(json.dumps),
    st.tuples(st.integers(0, 7), st.text(max_size=40), st.text(max_size=20), json_values).map(json.dumps),
    st.tuples(st.sampled_from([2, 3, 4]), st.just("open"), json_values, json_values).map(json.dumps),
)


@pytest.mark.parametrize("wording", [OCPP16, OCPP2], ids=["1.6", "2.0.1"])
@given(frame=frames)
@example(frame='[2,"1","A",' + "1" * 5000 + "]")
@example(frame='[2,"1","A",{"a":"\\ud800"}]')
def test_any_frame_is_an_event_and_any_answer_is_one_callerror(wording: Wording, frame: str | bytes) -> None:
    session = Session(wording, new_id=lambda: "open")
    session.call("Heartbeat", {})
    event = session.receive(frame)
    if isinstance(event, Broken) and event.answer is not None:
        answer = json.loads(event.answer)
        assert answer[0] == 4
        assert len(answer) == 5
        assert isinstance(session.receive(event.answer), (Stray, Broken, ErrorReceived))
    if isinstance(event, CallReceived):
        session.error(event.id, Fault.INTERNAL).encode()
