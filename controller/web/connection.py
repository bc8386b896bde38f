"""A connection that cannot be held open by saying or reading nothing."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

MAX_CONNECTIONS = 50
REQUEST_S = 10.0
"""For a whole request to arrive, however slowly it drips."""
STALL_S = 30.0
"""For a client to take what we have sent."""


class _Deadline:
    """Calls once, a fixed time after it was first armed; arming again does not push it on."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._action)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GuardedConnection(H11Protocol):
    """Uvicorn's own timer covers only the idle time after an answer: a half-sent header would stay for ever."""

    request_s = REQUEST_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._request = _Deadline(self.request_s, self._give_up)
        self._stall = _Deadline(STALL_S, self._give_up)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > MAX_CONNECTIONS:
            self._give_up()
        else:
            self._request.arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._request.arm()
        else:
            self._request.disarm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.disarm()
        self._stall.disarm()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.arm()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall.disarm()

    def _give_up(self) -> None:
        self.transport.abort()
