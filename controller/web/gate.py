"""What every request passes: the name it was sent to, its origin and size, and the headers of its answer."""

import ipaddress
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16_384

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request goes no further."""

    status: int
    text: str


def host_name(authority: str) -> str:
    """Host of a Host header without port and brackets, lower case; empty when it makes no sense."""
    if authority.startswith("["):
        name, closed, port = authority[1:].partition("]")
        port = port.removeprefix(":")
        valid = bool(closed)
    else:
        name, _, port = authority.partition(":")
        valid = True
    valid = valid and (port == "" or port.isdecimal())
    return name.lower().rstrip(".") if valid else ""


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def own_names(configured: Iterable[str]) -> frozenset[str]:
    machine = socket.gethostname().lower()
    return frozenset({"localhost", machine, f"{machine.partition('.')[0]}.local", *map(str.lower, configured)})


def wrong_host(headers: Headers, names: frozenset[str]) -> Problem | None:
    """DNS rebinding: another site's name that resolves to this box. An address cannot be rebound."""
    name = host_name(headers.get("host", ""))
    if name and (is_address(name) or name in names):
        return None
    return Problem(421, "This box answers under its address or its configured names only: see `names` in [web].")


COMMANDING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods that may change something."""


def wrong_command(method: str, headers: Headers) -> Problem | None:
    """A command needs JSON, which no form of another site can send unasked, and this page's own origin.

    A DELETE has no body; no form sends one either.
    """
    if (
        method != "DELETE"
        and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json"
    ):
        return Problem(415, "Commands need the content type application/json.")
    host = headers.get("host", "").lower()
    if headers.get("origin", f"http://{host}").lower() not in (f"http://{host}", f"https://{host}"):
        return Problem(403, "Commands are taken from this box's own page only: the Origin is another one.")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return Problem(403, "Commands are taken from this box's own page only: the request is cross-site.")
    return None


async def read_body(receive: Receive) -> bytes | Problem:
    """The whole body; the connection's own deadline bounds the wait."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return Problem(400, "The request ended before its body did.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return Problem(413, f"The body is longer than {MAX_BODY} bytes.")
        more = message.get("more_body", False)
    return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message


async def answer(problem: Problem, send: Send) -> None:
    body = json.dumps({"error": problem.text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Gate:
    """ASGI in front of the application, so that its error pages pass here too."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = own_names(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        problem = wrong_host(headers, self._names)
        if problem is None and scope["method"] in COMMANDING:
            body = wrong_command(scope["method"], headers) or await read_body(receive)
            if isinstance(body, Problem):
                problem = body
            else:
                receive = replay(body, receive)
        if problem is None:
            await self._app(scope, receive, sealed)
        else:
            await answer(problem, sealed)
