"""One connected station."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from ocpp import v16, v201
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallResult, validate_payload
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from sim.csms import answers16, answers201
from sim.csms.actions import from_csms, known_actions
from sim.csms.clerk import Clerk
from sim.csms.frame import call_text, error_text, parse, unparsable
from sim.csms.journal import Content, Direction, Journal, Message

SILENT = logging.getLogger("sim.csms.frames")


class BadCallError(ValueError):
    """The call is none this version of OCPP knows, or its payload breaks the schema."""


@dataclass(frozen=True, slots=True)
class Office:
    """What all links of a CSMS share."""

    clerk: Clerk
    journal: Journal


class Link:
    """Frames are noted as they arrive and answered one after the other.

    The package parses calls, checks schemas and writes the answers; its own `call` is not used: it
    waits on after the socket is gone, and rewrites keys.
    """

    def __init__(self, identity: str, number: int, socket: ServerConnection, office: Office) -> None:
        self.identity = identity
        self._number = number
        self._socket = socket
        self._clerk = office.clerk
        self._journal = office.journal
        self._calls: asyncio.Queue[tuple[str, str, str] | None] = asyncio.Queue()
        self._unanswered = 0
        self._losing = False
        self._turn = asyncio.Lock()
        self._called: dict[str, str] = {}
        self._waiting: dict[str, asyncio.Future[Message | None]] = {}
        self._answering = ""
        self._package = self._connect_package()

    def _connect_package(self) -> "_Router":
        old = self._clerk.version == "1.6"
        package, rules = (v16, answers16) if old else (v201, answers201)
        point: Any = package.ChargePoint(self.identity, _Outlet(self), logger=SILENT)
        point.route_map = {
            action: {"_on_action": answer, "_skip_schema_validation": False}
            for action, answer in rules.answers(self._clerk, self.identity).items()
        }
        router: _Router = point
        return router

    async def run(self) -> None:
        """Serve the station until the connection ends; what came until then is still processed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._answer_calls())
            try:
                await self._receive()
            finally:
                self._give_up()

    async def _receive(self) -> None:
        with suppress(ConnectionClosed):
            async for raw in self._socket:
                self._take(raw)

    def cut(self) -> None:
        """End the connection without a word, as a lost network would."""
        self._socket.transport.abort()

    def _give_up(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        self._calls.put_nowait(None)

    def _note(self, direction: Direction, content: Content, *, lost: bool = False) -> Message:
        return self._journal.write((self.identity, self._number, direction), content, lost=lost)

    def _take(self, raw: str | bytes) -> None:
        if isinstance(raw, bytes):
            content = unparsable(raw.decode("utf-8", errors="replace"))
            text = ""
        else:
            content = parse(raw)
            text = raw
        match content.kind:
            case "call":
                self._take_call(content, text)
            case "result" | "error":
                self._take_answer(content)
            case "unparsable":
                message = self._note("in", content)
                self._journal.remark(message.n, f"{self.identity} sent a frame that is not OCPP-J")

    def _take_call(self, content: Content, text: str) -> None:
        message = self._note("in", content)
        if self._unanswered:
            self._journal.remark(message.n, f"{self.identity} sent {content.action} while a call of its was open")
        self._unanswered += 1
        self._calls.put_nowait((content.id or "", content.action or "", text))

    def _take_answer(self, content: Content) -> None:
        unique_id = content.id or ""
        action = self._called.get(unique_id)
        message = self._note("in", Content(content.kind, unique_id, action, content.payload))
        future = self._waiting.get(unique_id)
        if future is not None and not future.done():
            future.set_result(message)

    async def _answer_calls(self) -> None:
        while (call := await self._calls.get()) is not None:
            unique_id, action, text = call
            self._answering = action
            fault = self._clerk.take_fault(action)
            kind = fault.kind if fault is not None else None
            if kind == "no_answer":
                self._unanswered -= 1
            elif fault is not None and kind == "error":
                await self._refuse(unique_id, fault.error, "as told")
            else:
                self._losing = kind == "answer_lost"
                await self._process(unique_id, action, text)

    async def _process(self, unique_id: str, action: str, text: str) -> None:
        if action not in known_actions(self._clerk.version):
            await self._refuse(unique_id, "NotImplemented", f"{action} is unknown")
        elif self._clerk.turns_away(self.identity, action):
            await self._refuse(unique_id, "SecurityError", "not accepted")
        else:
            try:
                await self._package.route_message(text)
            except RecursionError:
                await self._refuse(unique_id, "InternalError", "nested too deeply")

    async def _refuse(self, unique_id: str, code: str, description: str) -> None:
        await self._transmit_answer(error_text(unique_id, code, description))

    async def package_answers(self, text: str) -> None:
        """The package has made an answer; an error from there is one of the station's making."""
        message = await self._transmit_answer(text)
        if message.type == "error":
            cause = message.payload["details"].get("cause", message.payload["description"])
            self._journal.remark(
                message.n, f"{self.identity} sent a bad {message.action}: {message.payload['error']}, {cause}"
            )

    async def _transmit_answer(self, text: str) -> Message:
        content = parse(text)
        content = Content(content.kind, content.id, self._answering, content.payload)
        lost = self._losing or self._socket.state is not State.OPEN
        message = self._note("out", content, lost=lost)
        self._unanswered -= 1
        if self._losing:
            self._losing = False
            self.cut()
        elif not lost:
            await self._send(text)
        return message

    async def _send(self, text: str) -> None:
        with suppress(ConnectionClosed):
            await self._socket.send(text)

    async def send_raw(self, text: str) -> None:
        self._note("out", parse(text))
        await self._send(text)

    async def call(
        self, action: str, payload: dict[str, Any], *, validate: bool, timeout_s: float
    ) -> dict[str, Any]:
        """As `Csms.call`."""
        if validate:
            await self._check_call(action, payload)
        try:
            async with self._turn:
                answer = await self._ask(action, payload, timeout_s)
        except TimeoutError:
            return {"error": "NoAnswer", "description": f"no answer within {timeout_s:g} s"}
        if answer is None:
            return {"error": "ConnectionLost", "description": "the connection ended before the answer"}
        if answer.type == "error":
            return {"error": answer.payload["error"], "description": answer.payload["description"]}
        if validate:
            await self._check_result(action, answer)
        return answer.payload

    async def _ask(self, action: str, payload: dict[str, Any], timeout_s: float) -> Message | None:
        if self._socket.state is not State.OPEN:
            return None
        unique_id = str(uuid4())
        self._called[unique_id] = action
        future: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._waiting[unique_id] = future
        text = call_text(unique_id, action, payload)
        self._note("out", Content("call", unique_id, action, payload))
        self._clerk.registration(self.identity).called(action, payload)
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(text)
                return await future
        finally:
            del self._waiting[unique_id]

    async def _check_call(self, action: str, payload: dict[str, Any]) -> None:
        if action not in from_csms(self._clerk.version):
            raise BadCallError(f"{action!r} is no call of a CSMS in OCPP {self._clerk.version}")
        try:
            await validate_payload(Call("", action, payload), self._clerk.version)
        except OCPPError as error:
            raise BadCallError(f"{action}: {error.details.get('cause', error)}") from error

    async def _check_result(self, action: str, answer: Message) -> None:
        try:
            await validate_payload(CallResult(answer.id, answer.payload, action), self._clerk.version)
        except OCPPError as error:
            cause = error.details.get("cause", error)
            self._journal.remark(answer.n, f"{self.identity} gave a bad answer to {action}: {cause}")


class _Router(Protocol):
    """What is used of the package's ChargePoint."""

    async def route_message(self, raw_msg: str) -> None: ...


class _Outlet:
    """The connection as the package sees it; it only ever sends."""

    def __init__(self, link: Link) -> None:
        self.send = partial(Link.package_answers, link)
