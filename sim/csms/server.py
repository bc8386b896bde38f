"""The simulated CSMS: a WebSocket server for stations, and what it tells about them."""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_authorization_basic
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from sim.csms import book, strict
from sim.csms.actions import VERSIONS
from sim.csms.clerk import Clerk
from sim.csms.journal import Journal
from sim.csms.link import SILENT, Link, Office
from sim.csms.tls import server_context

PREFIX = "/ocpp/"


class NotConnectedError(ValueError):
    """No such station is connected."""


def identity_of(path: str) -> str | None:
    """The station a URL path names, None for a path that is none of ours."""
    plain = urlsplit(path).path
    name = unquote(plain.removeprefix(PREFIX))
    if not plain.startswith(PREFIX) or not name or "/" in name:
        return None
    return name


def _knows_password(headers: Headers, identity: str, passwords: Mapping[str, str]) -> bool:
    given = headers.get_all("Authorization")
    if len(given) != 1 or identity not in passwords:
        return False
    try:
        user, password = parse_authorization_basic(given[0])
    except InvalidHeader:
        return False
    return user == identity and hmac.compare_digest(password.encode(), passwords[identity].encode())


class Csms:
    """Serves ws(s)://127.0.0.1:PORT/ocpp/IDENTITY.

    Args:
        version: "1.6" or "2.0.1", also with "ocpp" before it.
        passwords: Of each identity; None lets everybody in.
        tokens: uid -> status; other uids get `default_token` (see `set_behaviour`).
        tls_dir: Where to write ca.pem and server.pem; None serves without TLS.
    """

    def __init__(
        self,
        *,
        version: str,
        passwords: dict[str, str] | None,
        tokens: dict[str, str],
        tls_dir: Path | None = None,
    ) -> None:
        self._version = version.removeprefix("ocpp")
        if self._version not in VERSIONS:
            raise ValueError(f"version {version!r} is not one of {', '.join(VERSIONS)}")
        SILENT.setLevel(logging.CRITICAL + 1)
        self._passwords = passwords
        self._tls_dir = tls_dir
        self._office = Office(Clerk(self._version, tokens), Journal())
        self._links: dict[str, Link] = {}
        self._numbers = count(1)
        self._server: Server | None = None

    async def start(self) -> int:
        tls = None if self._tls_dir is None else await asyncio.to_thread(server_context, self._tls_dir)
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=tls,
            subprotocols=[Subprotocol(f"ocpp{self._version}")],
            process_request=self._admit,
            close_timeout=1,
        )
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        identity = identity_of(request.path)
        if identity is None:
            return connection.respond(404, "no station has this address\n")
        if self._passwords is None or _knows_password(request.headers, identity, self._passwords):
            return None
        refusal = connection.respond(401, "wrong name or password\n")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="CSMS"'
        return refusal

    async def _serve(self, socket: ServerConnection) -> None:
        identity = identity_of(socket.request.path) if socket.request is not None else None
        if identity is None:
            return
        link = Link(identity, next(self._numbers), socket, self._office)
        older = self._links.pop(identity, None)
        self._links[identity] = link
        if older is not None:
            older.cut()
        try:
            await link.run()
        finally:
            if self._links.get(identity) is link:
                del self._links[identity]

    def messages(self, since: int) -> list[dict[str, Any]]:
        """All with a number above `since`; the first has number 1."""
        return self._office.journal.since(since)

    async def wait_messages(self, since: int, timeout_s: float) -> list[dict[str, Any]]:
        """As `messages`, but waits for the first; empty when none came in time."""
        return await self._office.journal.wait(since, timeout_s)

    def _link(self, identity: str | None) -> Link:
        link = next(iter(self._links.values()), None) if identity is None else self._links.get(identity)
        if link is None:
            raise NotConnectedError(
                "no station is connected" if identity is None else f"{identity} is not connected"
            )
        return link

    async def call(
        self,
        identity: str | None,
        action: str,
        payload: dict[str, Any],
        *,
        validate: bool = True,
        timeout_s: float = 30,
    ) -> dict[str, Any]:
        """Call a station (None: the one connected longest) and return the payload of its answer.

        A refusal is {"error": code, "description": text}; beside the codes of OCPP there are NoAnswer and
        ConnectionLost. Without `validate` anything goes out, and the answer is not checked either.

        Raises:
            NotConnectedError: There is no such station.
            BadCallError: The action is not one for a CSMS, or the payload breaks its schema.
        """
        return await self._link(identity).call(action, payload, validate=validate, timeout_s=timeout_s)

    async def send_raw(self, identity: str | None, text: str) -> None:
        """Send a text frame as it stands."""
        await self._link(identity).send_raw(text)

    def set_behaviour(self, body: dict[str, Any]) -> None:
        """Change behaviour: boot, tokens (merged), fail, dedupe, default_token, heartbeat_s, retry_s.

        Raises:
            ValueError: Something in the request is wrong; nothing of it is taken.
        """
        self._office.clerk.change(body)

    def summary(self) -> dict[str, Any]:
        """Who is connected, the transaction book and all violations, each with its message number."""
        clerk, journal = self._office.clerk, self._office.journal
        report = book.build(journal.messages, version=self._version, dedupe=clerk.dedupe)
        received = Counter(m.action for m in journal.messages if m.direction == "in" and m.type == "call")
        return {
            "version": self._version,
            "connected": list(self._links),
            "boots": clerk.boots(),
            "messages": len(journal.messages),
            "counts": {str(action): times for action, times in sorted(received.items(), key=str)},
            **report.as_data(),
            "violations": strict.violations(journal, report),
        }
