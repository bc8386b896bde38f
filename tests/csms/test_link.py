"""One connection, against a bare WebSocket server."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event
from websockets.typing import Subprotocol

from controller.csms.lanes import Lane
from controller.csms.link import (
    Answer,
    CallRefusedError,
    Link,
    NotConnectedError,
    Speech,
    TimedOutError,
)
from controller.csms.requests import RefusalError
from controller.csms.rpc import OCPP2, Fault, Payload
from controller.csms.schemas import Version
from controller.csms.slice import CsmsError, CsmsSlice, StationSlice, endpoint, refusal
from controller.csms.variables import Variables
from controller.store.store import Store
from sim.csms.server import Csms
from tests.csms.bench import PATIENCE_S, QUICK, until

CP = StationSlice("CP/7", ("A1",))
PASSWORD = "file-password-0001"


class Counting(ServerConnection):
    """Counts the pings of its peer."""

    pings = 0

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings += 1
        super().process_event(event)


@dataclass
class Peer:
    """A server under the test's hand. `passwords`: of these one lets in; empty: all do."""

    protocol: str = "ocpp2.0.1"
    passwords: set[str] = field(default_factory=set)
    answers: bool = True
    paths: list[str] = field(default_factory=list)
    tries: list[float] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)
    server: Server | None = None
    port: int = 0

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        self.tries.append(time.monotonic())
        told = request.headers.get("Authorization", "").removeprefix("Basic ")
        self.used.append(base64.b64decode(told).decode())
        if self.passwords and self.used[-1].split(":", 1)[-1] not in self.passwords:
            return connection.respond(401, "no\n")
        return None

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            async for text in socket:
                frame = json.loads(text)
                self.frames.append(frame)
                if self.answers and frame[0] == 2:
                    await socket.send(json.dumps([3, frame[1], {}]))
        except ConnectionClosed:
            pass

    async def ask(self, action: str, payload: Mapping[str, Any]) -> None:
        await self.sockets[-1].send(json.dumps([2, action, action, payload]))

    def answer_to(self, action: str) -> list[Any] | None:
        return next((frame for frame in self.frames if frame[0] in {3, 4} and frame[1] == action), None)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    peer.server = await serve(
        peer.serve,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("ocpp2.0.1")],
        process_request=peer.admit,
        create_connection=Counting,
        ping_interval=None,
        close_timeout=1,
    )
    peer.port = next(iter(peer.server.sockets)).getsockname()[1]
    yield peer
    peer.server.close()
    await peer.server.wait_closed()


@dataclass
class End:
    link: Link
    variables: Variables
    moves: list[bool] = field(default_factory=list)


async def _answer(action: str, _: Payload) -> Answer | None:
    if action == "Slow":
        await asyncio.sleep(0.5)
    if action == "No":
        raise RefusalError(Fault.NOT_SUPPORTED, "no")
    return None if action == "Silence" else Answer({"done": True})


def _slice(port: int, **changes: Any) -> CsmsSlice:
    plain = CsmsSlice(
        id="operator",
        url=f"ws://127.0.0.1:{port}/ocpp/",
        version=Version.V201,
        password=PASSWORD,
        ca_file=None,
        lab=True,
        stations=(CP,),
        initial=QUICK,
    )
    return replace(plain, **changes)


@asynccontextmanager
async def connected(
    store: Store, csms: CsmsSlice, *, wait: bool = True, station: StationSlice = CP
) -> AsyncIterator[End]:
    variables = await Variables.load(store, csms)
    moves: list[bool] = []
    link = Link(
        csms=csms,
        station=station,
        speech=Speech("ocpp2.0.1", OCPP2),
        variables=variables,
        answer=_answer,
        moved=moves.append,
    )
    end = End(link, variables, moves)
    task = asyncio.create_task(link.run())
    try:
        if wait:
            await until(lambda: link.connected)
        yield end
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"lab": False}, "ws://"),
        ({"lab": False, "url": "wss://x/", "password": None}, "password_file"),
        ({"url": "http://x/"}, "url"),
        ({"url": "wss:///path"}, "url"),
        ({"url": "wss://user:secret@x/"}, "must not hold a password"),
    ],
)
async def test_r35_an_insecure_or_senseless_address_is_refused(
    store: Store, changes: dict[str, Any], why: str
) -> None:
    csms = _slice(1, **changes)
    told = refusal(csms)
    assert told is not None
    assert why in told
    assert "secret" not in told.replace("secret@", "") or "user" not in told
    with pytest.raises(CsmsError, match="csms"):
        async with connected(store, csms, wait=False):
            pass


def test_r35_a_secure_address_needs_no_lab() -> None:
    assert refusal(_slice(1, lab=False, url="wss://csms.example.com/ocpp")) is None
    assert _slice(1, url="wss://x/").security_profile == 2
    assert PASSWORD not in repr(_slice(1))


async def test_security_profile_2_checks_the_certificate_of_the_csms(store: Store, tmp_path: Path) -> None:
    csms = Csms(version="2.0.1", passwords={"CP-7": PASSWORD}, tokens={}, tls_dir=tmp_path)
    port = await csms.start()
    try:
        sliced = _slice(port, url=f"wss://127.0.0.1:{port}/ocpp", lab=False, ca_file=tmp_path / "ca.pem")
        station = StationSlice("CP-7", ("A1",))
        async with connected(store, sliced, station=station) as end:
            assert end.link.last_error == ""
        async with connected(store, replace(sliced, ca_file=None), station=station, wait=False) as end:
            await until(lambda: "certificate" in end.link.last_error.lower())
            assert not end.link.connected
    finally:
        await csms.stop()


async def test_identity_and_password_go_with_the_request(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)):
        assert peer.paths == ["/ocpp/CP%2F7"]
        assert peer.used == [f"CP/7:{PASSWORD}"]
    assert endpoint(_slice(1, url="wss://x/a"), CP) == "wss://x/a/CP%2F7"


async def test_a_csms_that_speaks_another_version_is_left(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port), wait=False) as end:
        link = Link(
            csms=_slice(peer.port),
            station=CP,
            speech=Speech("ocpp1.6", OCPP2),
            variables=end.variables,
            answer=_answer,
            moved=end.moves.append,
        )
        task = asyncio.create_task(link.run())
        await until(lambda: bool(link.last_error))
        assert not link.connected
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_returns_the_payload_of_its_answer(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)) as end:
        assert await end.link.call("Heartbeat", {}) == {}
        assert end.moves == [True]
    assert end.moves == [True, False]


async def test_without_a_connection_a_call_fails_at_once(store: Store) -> None:
    async with connected(store, _slice(1), wait=False) as end:
        with pytest.raises(NotConnectedError):
            await end.link.call("Heartbeat", {})


async def test_r33_message_timeout_bounds_a_call_and_drops_the_connection(store: Store, peer: Peer) -> None:
    peer.answers = False
    async with connected(store, _slice(peer.port)) as end:
        await end.variables.set("OCPPCommCtrlr.MessageTimeout[Default]", 1)
        began = time.monotonic()
        with pytest.raises(TimedOutError):
            await end.link.call("Heartbeat", {})
        assert 0.9 < time.monotonic() - began < 10
        await until(lambda: len(peer.paths) == 2)


async def test_a_lost_connection_ends_pending_and_waiting_calls_at_once(store: Store, peer: Peer) -> None:
    peer.answers = False
    async with connected(store, _slice(peer.port)) as end:
        await end.variables.set("MessageTimeout", 600)
        calls = [asyncio.create_task(end.link.call("Heartbeat", {}, lane)) for lane in Lane]
        await until(lambda: bool(peer.frames))
        peer.sockets[-1].transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, NotConnectedError) for result in results)
        assert len(peer.frames) == 1, "what only waited was never sent"


async def test_a_callerror_is_raised_with_its_code(store: Store, peer: Peer) -> None:
    peer.answers = False
    async with connected(store, _slice(peer.port)) as end:
        call = asyncio.create_task(end.link.call("Heartbeat", {}))
        await until(lambda: bool(peer.frames))
        await peer.sockets[-1].send(json.dumps([4, peer.frames[0][1], "FormationViolation", "x", {}]))
        with pytest.raises(CallRefusedError) as refused:
            await call
        assert refused.value.fault is Fault.FORMAT


async def test_a_cancelled_call_makes_room_for_the_next(store: Store, peer: Peer) -> None:
    peer.answers = False
    async with connected(store, _slice(peer.port)) as end:
        call = asyncio.create_task(end.link.call("Heartbeat", {}))
        await until(lambda: bool(peer.frames))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        peer.answers = True
        assert await end.link.call("Heartbeat", {}) == {}


async def test_a_slow_answer_of_ours_does_not_delay_answers_to_us(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)) as end:
        await peer.ask("Slow", {})
        assert await end.link.call("Heartbeat", {}) == {}
        assert peer.answer_to("Slow") is None
        await until(lambda: peer.answer_to("Slow") is not None)


async def test_calls_are_answered_refused_or_met_with_silence(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)):
        await peer.ask("Silence", {})
        await peer.ask("No", {})
        await peer.ask("Yes", {})
        await until(lambda: peer.answer_to("Yes") is not None)
        assert peer.answer_to("Yes") == [3, "Yes", {"done": True}]
        assert peer.answer_to("No") == [4, "No", "NotSupported", "no", {}]
        assert peer.answer_to("Silence") is None


async def test_a_flood_of_calls_is_turned_away(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)):
        await peer.ask("Slow", {})
        for number in range(40):
            await peer.sockets[-1].send(json.dumps([2, str(number), "Yes", {}]))
        await until(lambda: len([frame for frame in peer.frames if frame[0] in {3, 4}]) == 41)
        refused = [frame for frame in peer.frames if frame[0] == 4]
        assert refused
        assert {frame[2] for frame in refused} == {"GenericError"}


@pytest.mark.parametrize("frame", ["", "}{", "[2]", b"\x00\xff", "[" * 10_000])
async def test_rubbish_is_answered_and_the_connection_stays(store: Store, peer: Peer, frame: str | bytes) -> None:
    async with connected(store, _slice(peer.port)) as end:
        await peer.sockets[-1].send(frame)
        await until(lambda: any(f[:3] == [4, "-1", "RpcFrameworkError"] for f in peer.frames))
        assert await end.link.call("Heartbeat", {}) == {}
        assert end.moves == [True]


async def test_an_endless_frame_ends_the_connection_and_not_the_station(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)) as end:
        await peer.sockets[-1].send("x" * 2_000_000)
        await until(lambda: len(peer.paths) == 2 and end.link.connected)


async def test_r33_ping_interval_finds_a_half_open_connection(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port, initial={**QUICK, "WebSocketPingInterval": 0})) as end:
        socket = peer.sockets[-1]
        assert isinstance(socket, Counting)
        await asyncio.sleep(0.3)
        assert socket.pings == 0
        await end.variables.set("WebSocketPingInterval", 1)
        await until(lambda: socket.pings >= 1)


@pytest.mark.parametrize(
    ("repeats", "extra", "expected"), [(3, 0, [2, 4, 8, 16, 16]), (0, 0, [2, 2, 2, 2, 2]), (1, 5, [2, 4, 4, 4, 4])]
)
async def test_r33_back_off_doubles_and_then_stays(
    store: Store, repeats: int, extra: int, expected: list[int]
) -> None:
    names = ("WaitMinimum", "RandomRange", "RepeatTimes")
    initial = dict(zip((f"OCPPCommCtrlr.RetryBackOff{name}" for name in names), (2, extra, repeats), strict=True))
    async with connected(store, _slice(1, initial=initial), wait=False) as end:
        for failures, least in enumerate(expected, 1):
            waits = [end.link._back_off_s(failures) for _ in range(50)]
            assert least <= min(waits) <= max(waits) <= least + extra
            assert (max(waits) > min(waits)) == (extra > 0)


async def test_back_off_separates_the_attempts(store: Store, peer: Peer) -> None:
    peer.passwords = {"another"}
    initial = {"OCPPCommCtrlr.RetryBackOffWaitMinimum": 1, "OCPPCommCtrlr.RetryBackOffRandomRange": 0}
    async with connected(store, _slice(peer.port, initial=initial), wait=False) as end:
        await until(lambda: len(peer.tries) >= 2)
        assert peer.tries[1] - peer.tries[0] > 0.9
        assert end.link.last_error == "HTTP status 401"


async def test_a01_a_new_password_is_used_and_the_old_one_if_it_is_refused(store: Store, peer: Peer) -> None:
    async with connected(store, _slice(peer.port)) as end:
        await end.variables.set("AuthorizationKey", "new-password-00001")
        end.link.reconnect()
        await until(lambda: len(peer.used) == 2)
        assert peer.used[1] == "CP/7:new-password-00001"
        peer.passwords = {PASSWORD}
        end.link.reconnect()
        await until(lambda: len(peer.used) == 4)
        assert peer.used[3] == f"CP/7:{PASSWORD}"
