import asyncio
import base64
import ssl
import stat
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sim.csms.link import BadCallError
from sim.csms.server import Csms, NotConnectedError
from tests.sim.csms.stations import Connect, Open


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_boot_and_heartbeat_are_answered_and_kept_in_order(
    open_csms: Open, station: Connect, version: str
) -> None:
    csms, port = await open_csms(version)
    cs1 = await station(port, version)
    answer = await cs1.boot()
    assert (answer["status"], answer["interval"]) == ("Accepted", 60)
    assert (await cs1.ask("Heartbeat", {}))["currentTime"].endswith("Z")
    kept = csms.messages(0)
    assert [(m["n"], m["direction"], m["type"], m["action"]) for m in kept] == [
        (1, "in", "call", "BootNotification"),
        (2, "out", "result", "BootNotification"),
        (3, "in", "call", "Heartbeat"),
        (4, "out", "result", "Heartbeat"),
    ]
    assert kept[1]["payload"] == answer
    assert kept[0]["id"] == kept[1]["id"]
    assert [m["n"] for m in csms.messages(3)] == [4]
    assert [m["mono_s"] for m in kept] == sorted(m["mono_s"] for m in kept)
    summary = csms.summary()
    assert summary["connected"] == ["CS1"]
    assert summary["counts"] == {"BootNotification": 1, "Heartbeat": 1}
    assert summary["violations"] == []


async def test_waiting_for_messages_returns_at_the_next_one_or_empty(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    assert await csms.wait_messages(0, 0.05) == []
    waiting = asyncio.create_task(csms.wait_messages(0, 10))
    await asyncio.sleep(0)
    await cs1.boot()
    assert (await waiting)[0]["action"] == "BootNotification"


@pytest.mark.parametrize(
    ("path", "offered"),
    [("/ocpp/CS1", "ocpp2.1"), ("/ocpp/CS1", None), ("/ocpp/", "ocpp1.6"), ("/else/CS1", "ocpp1.6"),
     ("/ocpp/CS1/x", "ocpp1.6")],
)  # fmt: skip
async def test_other_paths_and_subprotocols_are_rejected(open_csms: Open, path: str, offered: str | None) -> None:
    _, port = await open_csms("1.6")
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://127.0.0.1:{port}{path}", subprotocols=[Subprotocol(offered)] if offered else None)
    assert refusal.value.response.status_code == (400 if path == "/ocpp/CS1" else 404)


@pytest.mark.parametrize(
    "headers",
    [{}, basic("CS1", "wrong"), basic("CS2", "secret"), {"Authorization": "Basic %%%"}, {"Authorization": "x"}],
)
async def test_a_wrong_password_is_answered_with_401(
    open_csms: Open, station: Connect, headers: dict[str, str]
) -> None:
    _, port = await open_csms("1.6", passwords={"CS1": "secret"})
    with pytest.raises(InvalidStatus) as refusal:
        await station(port, "1.6", additional_headers=headers)
    assert refusal.value.response.status_code == 401
    assert "Basic" in refusal.value.response.headers["WWW-Authenticate"]


async def test_an_unknown_identity_is_refused_even_with_a_known_password(open_csms: Open, station: Connect) -> None:
    _, port = await open_csms("1.6", passwords={"CS1": "secret"})
    with pytest.raises(InvalidStatus):
        await station(port, "1.6", "CS2", additional_headers=basic("CS2", "secret"))


async def test_the_right_password_is_let_in(open_csms: Open, station: Connect) -> None:
    _, port = await open_csms("1.6", passwords={"CS1": "se:cret"})
    cs1 = await station(port, "1.6", additional_headers=basic("CS1", "se:cret"))
    assert (await cs1.boot())["status"] == "Accepted"


async def test_tls_is_trusted_by_its_own_ca_only(open_csms: Open, station: Connect, tmp_path: Path) -> None:
    _, port = await open_csms("2.0.1", tls_dir=tmp_path / "tls")
    trusting = ssl.create_default_context(cafile=tmp_path / "tls" / "ca.pem")
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    cs1 = await station(port, "2.0.1", ssl=trusting)
    assert (await cs1.boot())["status"] == "Accepted"
    assert stat.S_IMODE((tmp_path / "tls" / "server.pem").stat().st_mode) == 0o600
    with pytest.raises(ssl.SSLCertVerificationError):
        await station(port, "2.0.1", ssl=ssl.create_default_context())


async def test_a_second_connection_of_a_station_replaces_the_first(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    first = await station(port, "1.6")
    await first.boot()
    second = await station(port, "1.6")
    with pytest.raises(ConnectionClosed):
        await first.receive()
    await second.ask("Heartbeat", {})
    assert csms.summary()["connected"] == ["CS1"]


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\.1"):
        Csms(version="2.1", passwords=None, tokens={})


@pytest.mark.parametrize(
    "frame",
    ["", "{", "[]", "[2]", '[2,"1","Heartbeat"]', '[2,7,"Heartbeat",{}]', '[2,"1",{},{}]', '[9,"1",{}]',
     '[2,"1","Heartbeat",[]]', '[3,"1",{},"Heartbeat"]', '[4,"1",5,"",{}]', '["2","1","Heartbeat",{}]',
     "[" * 5000, b"\xff\x00", "null"],
)  # fmt: skip
async def test_a_frame_that_is_not_ocpp_is_kept_and_does_no_harm(
    open_csms: Open, station: Connect, frame: str | bytes
) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    await cs1.socket.send(frame)
    await cs1.ask("Heartbeat", {})
    bad = csms.messages(2)[0]
    assert (bad["type"], bad["direction"]) == ("unparsable", "in")
    if isinstance(frame, str):
        assert bad["payload"] == {"raw": frame}
    assert csms.summary()["violations"] == ["message 3: CS1 sent a frame that is not OCPP-J"]


async def test_a_payload_that_breaks_the_schema_is_refused_and_reported(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    answer = await cs1.call("StartTransaction", {"connectorId": "one"})
    assert answer[0] == 4
    [violation] = csms.summary()["violations"]
    assert violation.startswith("message 4: CS1 sent a bad StartTransaction: ")
    assert csms.summary()["transactions"] == []


async def test_an_unknown_action_is_not_implemented(open_csms: Open, station: Connect) -> None:
    _, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    assert (await cs1.call("StartTransaction", {}))[:3:2] == [4, "NotImplemented"]


DEEP = '{"a":' * 600 + "1" + "}" * 600


async def test_deep_nesting_ends_nothing(open_csms: Open, station: Connect) -> None:
    _, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    await cs1.socket.send(f'[2,"deep","DataTransfer",{{"vendorId":"x","data":{DEEP}}}]')
    assert (await cs1.receive())[1] == "deep"
    await cs1.ask("Heartbeat", {})


async def test_16_is_called_and_its_answer_comes_back(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    calling = asyncio.create_task(csms.call("CS1", "RemoteStartTransaction", {"idTag": "04AA", "connectorId": 1}))
    kind, unique_id, action, payload = await cs1.receive()
    assert (kind, action, payload) == (2, "RemoteStartTransaction", {"idTag": "04AA", "connectorId": 1})
    await cs1.socket.send(f'[3,"{unique_id}",{{"status":"Rejected"}}]')
    assert await calling == {"status": "Rejected"}
    call, answer = csms.messages(2)
    assert (call["direction"], call["type"], call["id"]) == ("out", "call", unique_id)
    assert (answer["direction"], answer["type"], answer["action"]) == ("in", "result", "RemoteStartTransaction")


async def test_201_is_called_and_refuses_with_a_callerror(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    variable = {"component": {"name": "ClockCtrlr"}, "variable": {"name": "DateTime"}}
    calling = asyncio.create_task(csms.call(None, "GetVariables", {"getVariableData": [variable]}))
    _, unique_id, action, payload = await cs1.receive()
    assert (action, payload) == ("GetVariables", {"getVariableData": [variable]})
    await cs1.socket.send(f'[4,"{unique_id}","NotSupported","no such thing",{{}}]')
    assert await calling == {"error": "NotSupported", "description": "no such thing"}


async def test_decimals_of_a_16_charging_profile_go_out_as_they_are(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    period = {"startPeriod": 0, "limit": 21.4}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
               "chargingProfileKind": "Relative", "chargingSchedule": schedule}  # fmt: skip
    body = {"connectorId": 0, "csChargingProfiles": profile}
    calling = asyncio.create_task(csms.call("CS1", "SetChargingProfile", body))
    _, unique_id, _, payload = await cs1.receive()
    await cs1.socket.send(f'[3,"{unique_id}",{{"status":"Accepted"}}]')
    await calling
    assert payload == body


async def test_a_bad_answer_to_a_call_is_reported(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    calling = asyncio.create_task(csms.call("CS1", "ClearCache", {}))
    unique_id = (await cs1.receive())[1]
    await cs1.socket.send(f'[3,"{unique_id}",{{"status":"Perhaps"}}]')
    assert await calling == {"status": "Perhaps"}
    [violation] = csms.summary()["violations"]
    assert violation.startswith("message 4: CS1 gave a bad answer to ClearCache")


async def test_an_answer_to_nothing_is_reported(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    await cs1.boot()
    await cs1.socket.send('[3,"never-asked",{}]')
    await cs1.ask("Heartbeat", {})
    assert csms.summary()["violations"] == ["message 3: CS1 answered never-asked, which is no open call"]


async def test_calls_that_make_no_sense_are_refused_before_they_are_sent(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    with pytest.raises(NotConnectedError, match="no station"):
        await csms.call(None, "ClearCache", {})
    await station(port, "1.6")
    with pytest.raises(NotConnectedError, match="CS9"):
        await csms.call("CS9", "ClearCache", {})
    for action, payload in (("GetVariables", {}), ("StartTransaction", {}), ("Reset", {"type": "Maybe"}), ("", {})):
        with pytest.raises(BadCallError):
            await csms.call("CS1", action, payload)
    assert csms.messages(0) == []


async def test_bad_calls_and_raw_frames_can_be_sent_on_purpose(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    calling = asyncio.create_task(csms.call("CS1", "Nonsense", {"socType": 1}, validate=False))
    _, unique_id, action, payload = await cs1.receive()
    assert (action, payload) == ("Nonsense", {"socType": 1})
    await cs1.socket.send(f'[4,"{unique_id}","NotImplemented","",{{}}]')
    assert (await calling)["error"] == "NotImplemented"
    await csms.send_raw("CS1", "[2,")
    assert await cs1.socket.recv() == "[2,"
    assert csms.messages(2)[0]["payload"] == {"raw": "[2,"}


async def test_one_call_of_the_csms_is_open_at_a_time(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    calls = [asyncio.create_task(csms.call("CS1", "ClearCache", {})) for _ in range(2)]
    for status in ("Accepted", "Rejected"):
        unique_id = (await cs1.receive())[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await cs1.socket.recv()
        await cs1.socket.send(f'[3,"{unique_id}",{{"status":"{status}"}}]')
    assert {(await call)["status"] for call in calls} == {"Accepted", "Rejected"}


async def test_a_call_ends_with_its_connection_and_with_its_patience(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("1.6")
    cs1 = await station(port, "1.6")
    assert (await csms.call("CS1", "ClearCache", {}, timeout_s=0.05))["error"] == "NoAnswer"
    calling = asyncio.create_task(csms.call("CS1", "ClearCache", {}))
    await cs1.receive()
    await cs1.receive()
    await cs1.socket.close()
    async with asyncio.timeout(5):
        assert (await calling)["error"] == "ConnectionLost"


async def test_two_calls_sent_at_once_break_the_rule(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    await cs1.send("Heartbeat", {})
    await cs1.send("Heartbeat", {})
    await cs1.receive()
    await cs1.receive()
    assert csms.summary()["violations"] == ["message 4: CS1 sent Heartbeat while a call of its was open"]


async def test_a_message_id_used_twice_breaks_the_rule(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    for _ in range(2):
        await cs1.call("Heartbeat", {}, unique_id="same")
    assert csms.summary()["violations"] == ["message 5: CS1 used the message id same again"]


async def test_a_message_id_of_more_than_36_characters_breaks_the_rule(open_csms: Open, station: Connect) -> None:
    csms, port = await open_csms("2.0.1")
    cs1 = await station(port, "2.0.1")
    await cs1.boot()
    await cs1.call("Heartbeat", {}, unique_id="x" * 37)
    assert csms.summary()["violations"] == ["message 3: CS1 used a message id of 37 characters"]
