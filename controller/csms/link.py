"""One WebSocket connection of one station: opened, kept, reopened for ever; calls out, calls in."""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.headers import build_authorization_basic
from websockets.typing import Subprotocol

from controller.csms.bell import Bell
from controller.csms.lanes import Lane, Lanes
from controller.csms.requests import RefusalError
from controller.csms.rpc import (
    Broken,
    CallReceived,
    ErrorReceived,
    Fault,
    Payload,
    ResultReceived,
    Session,
    Wording,
    fault_of,
)
from controller.csms.slice import CsmsError, CsmsSlice, StationSlice, endpoint, refusal
from controller.csms.variables import Variables

log = logging.getLogger(__name__)

MAX_FRAME = 1_000_000
OPEN_LIMIT_S = 20.0
CLOSE_LIMIT_S = 2.0
PONG_LIMIT_S = 20.0
ANSWER_LIMIT_S = 25.0
MAX_WAITING_CALLS = 16
SHORTEST_PAUSE_S = 0.05
UNAUTHORISED = 401
SILENT = logging.getLogger("controller.csms.frames")
"""The library's own log would hold tokens and passwords."""
_DICE = random.SystemRandom()


class CallFailedError(Exception):
    """A CALL of ours brought no CALLRESULT."""


class NotConnectedError(CallFailedError):
    """There is no connection, or it ended before the answer: nothing is known of what the CSMS did."""


class TimedOutError(CallFailedError):
    """No answer on a live connection, which is dropped for it."""


class CallRefusedError(CallFailedError):
    """CALLERROR."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.fault = fault_of(code)


@dataclass(frozen=True, slots=True)
class Answer:
    """CALLRESULT, and what to do once it has been sent."""

    payload: Payload
    then: Callable[[], Awaitable[None]] | None = None


Answerer = Callable[[str, Payload], Awaitable[Answer | None]]
"""Answers a CALL of the CSMS; None: not at all. Raises `RefusalError`."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a version brings to a connection."""

    name: str
    wording: Wording


class Link:
    """Connects when `run` is awaited. `moved` is called with True after opening, with False after the end.

    Raises:
        CsmsError: the slice may not be connected to (R35).
    """

    def __init__(
        self,
        *,
        csms: CsmsSlice,
        station: StationSlice,
        speech: Speech,
        variables: Variables,
        answer: Answerer,
        moved: Callable[[bool], None],
    ) -> None:
        why = refusal(csms)
        if why is not None:
            raise CsmsError(f"csms.{why}")
        SILENT.setLevel(logging.CRITICAL + 1)
        self.last_error = ""
        self._csms = csms
        self._identity = station.identity
        self._url = endpoint(csms, station)
        self._speech = speech
        self._variables = variables
        self._answer = answer
        self._moved = moved
        self._lanes = Lanes()
        self._ping = Bell()
        self._again = Bell()
        self._connection: ClientConnection | None = None
        self._session = Session(speech.wording)
        self._pending: asyncio.Future[ResultReceived | ErrorReceived] | None = None
        self._use_file = False
        self._hurry = False
        variables.listeners.append(self._on_variable)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        failures = 0
        while True:
            opened = await self._one_connection()
            failures = 0 if opened else failures + 1
            if not self._hurry:
                await self._again.wait(self._back_off_s(failures))
            self._hurry = False

    def reconnect(self) -> None:
        """Close and open at once, for instance with a new password."""
        self._hurry = True
        self._again.ring()
        self._drop()

    async def call(self, action: str, payload: Payload, lane: Lane = Lane.REST) -> Payload:
        """Send one CALL when its turn comes and return the payload of its CALLRESULT.

        Raises:
            CallFailedError: one of its three kinds.
        """
        try:
            async with self._lanes.turn(lane):
                event = await self._exchange(action, payload)
        except (ConnectionError, ConnectionClosed) as error:
            raise NotConnectedError("no connection") from error
        if isinstance(event, ErrorReceived):
            raise CallRefusedError(event.code, event.description)
        return event.payload

    async def _exchange(self, action: str, payload: Payload) -> ResultReceived | ErrorReceived:
        connection = self._connection
        if connection is None:
            raise NotConnectedError("no connection")
        _, text = self._session.call(action, payload)
        self._pending = asyncio.get_running_loop().create_future()
        limit_s = self._variables.integer("OCPPCommCtrlr.MessageTimeout[Default]")
        try:
            async with asyncio.timeout(limit_s):
                await connection.send(text)
                return await self._pending
        except TimeoutError as error:
            self.last_error = f"{action}: no answer in {limit_s} s"
            self._drop()
            raise TimedOutError(self.last_error) from error
        finally:
            self._session.abandon()
            self._pending = None

    def _on_variable(self, name: str) -> None:
        if name == "OCPPCommCtrlr.WebSocketPingInterval":
            self._ping.ring()
        if name == "SecurityCtrlr.BasicAuthPassword":
            self._use_file = False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.transport.abort()

    def _back_off_s(self, failures: int) -> float:
        minimum = self._variables.integer("OCPPCommCtrlr.RetryBackOffWaitMinimum")
        extra = self._variables.integer("OCPPCommCtrlr.RetryBackOffRandomRange")
        repeats = self._variables.integer("OCPPCommCtrlr.RetryBackOffRepeatTimes")
        doublings = min(max(failures - 1, 0), repeats)
        return max(SHORTEST_PAUSE_S, minimum * 2.0**doublings + _DICE.uniform(0, extra))

    def _password(self) -> str | None:
        """The one that the CSMS set last, unless it just refused that one; else the one in the file."""
        stored = self._variables.values["SecurityCtrlr.BasicAuthPassword"]
        return self._csms.password if self._use_file or not stored else stored

    def _headers(self) -> dict[str, str]:
        password = self._password()
        return {} if password is None else {"Authorization": build_authorization_basic(self._identity, password)}

    def _tls(self) -> ssl.SSLContext | None:
        if not self._url.startswith("wss:"):
            return None
        ca_file = self._csms.ca_file
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)

    async def _one_connection(self) -> bool:
        """Whether it got as far as being open."""
        opened = False
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(self._speech.name)],
                additional_headers=self._headers(),
                ssl=self._tls(),
                max_size=MAX_FRAME,
                open_timeout=OPEN_LIMIT_S,
                close_timeout=CLOSE_LIMIT_S,
                ping_interval=None,
                compression=None,
                logger=SILENT,
            ) as connection:
                opened = connection.subprotocol == self._speech.name
                await self._serve(connection, opened)
        except InvalidStatus as error:
            if error.response.status_code == UNAUTHORISED:
                self._use_file = not self._use_file
            self._note(f"HTTP status {error.response.status_code}")
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            self._note(str(error) or type(error).__name__)
        return opened

    def _note(self, text: str) -> None:
        if text != self.last_error:
            log.warning("station %s: no connection to the CSMS: %s", self._identity, text)
        self.last_error = text

    async def _serve(self, connection: ClientConnection, speaks: bool) -> None:
        if not speaks:
            self._note(f"the CSMS does not speak {self._speech.name}")
            return
        log.info("station %s: connected", self._identity)
        self._connection = connection
        self._session = Session(self._speech.wording)
        self.last_error = ""
        self._moved(True)
        try:
            await self._work(connection)
        finally:
            self._connection = None
            self._forget()
            self._moved(False)
            log.info("station %s: connection ended", self._identity)

    def _forget(self) -> None:
        """Nobody waits for an answer from a connection that has ended."""
        self._lanes.send_away()
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(NotConnectedError("the connection ended before the answer"))

    async def _work(self, connection: ClientConnection) -> None:
        calls: asyncio.Queue[CallReceived] = asyncio.Queue(MAX_WAITING_CALLS)
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._keep_alive(connection)),
                tasks.create_task(self._answer_calls(connection, calls)),
            ]
            try:
                async for frame in connection:
                    await self._take(connection, frame, calls)
            except ConnectionClosed:
                pass
            finally:
                for task in others:
                    task.cancel()

    async def _take(
        self, connection: ClientConnection, frame: str | bytes, calls: asyncio.Queue[CallReceived]
    ) -> None:
        event = self._session.receive(frame)
        match event:
            case CallReceived():
                if calls.full():
                    await connection.send(self._session.error(event.id, Fault.GENERIC, "too many open calls"))
                else:
                    calls.put_nowait(event)
            case ResultReceived() | ErrorReceived():
                if self._pending is not None and not self._pending.done():
                    self._pending.set_result(event)
            case Broken(why, answer):
                self.last_error = f"bad frame: {why}"
                if answer is not None:
                    await connection.send(answer)
            case _:
                log.debug("station %s: late answer", self._identity)

    async def _answer_calls(self, connection: ClientConnection, calls: asyncio.Queue[CallReceived]) -> None:
        """One CALL of the CSMS at a time, apart from the reader: an answer may need calls of our own."""
        async with asyncio.TaskGroup() as afterwards:
            while True:
                call = await calls.get()
                text, then = await self._answer_to(call)
                try:
                    if text is not None:
                        await connection.send(text)
                except ConnectionClosed:
                    continue
                if then is not None:
                    afterwards.create_task(_quietly(then))

    async def _answer_to(self, call: CallReceived) -> tuple[str | None, Callable[[], Awaitable[None]] | None]:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                answer = await self._answer(call.action, call.payload)
        except RefusalError as refused:
            return self._session.error(call.id, refused.fault, refused.text), None
        except TimeoutError:
            return self._session.error(call.id, Fault.INTERNAL, "took too long"), None
        if answer is None:
            return None, None
        return self._session.result(call.id, answer.payload), answer.then

    async def _keep_alive(self, connection: ClientConnection) -> None:
        """Pings find a half-open connection (OCPP-J 1.6 errata 3.11); interval 0 sends none."""
        while True:
            interval_s = self._variables.integer("OCPPCommCtrlr.WebSocketPingInterval")
            if await self._ping.wait(interval_s or None):
                continue
            try:
                async with asyncio.timeout(PONG_LIMIT_S):
                    await (await connection.ping())
            except TimeoutError:
                self._note("no pong")
                self._drop()
            except ConnectionClosed:
                return


async def _quietly(then: Callable[[], Awaitable[None]]) -> None:
    """What follows an answer is lost with its connection; the next one begins with fresh reports."""
    try:
        await then()
    except CallFailedError as error:
        log.debug("not told: %s", error)
