"""Uvicorn inside the controller's own event loop."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from controller.charging.commands import Ask
from controller.charging.view import Look
from controller.web.buses import Figures
from controller.web.connection import GuardedConnection
from controller.web.gate import Gate
from controller.web.live import Pulse
from controller.web.routes import Surface, build
from controller.web.slice import WebSlice

GRACE_S = 2
HEADER_BYTES = 16_384


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the composition root: uvicorn would catch SIGTERM and raise it again."""
        yield


class WebServer:
    """Serves the page until `run` is cancelled. Can be run again after that."""

    def __init__(
        self, web: WebSlice, *, ask: Ask, look: Look, metrics: Callable[[], bytes], figures: Figures = tuple
    ) -> None:
        self._web = web
        self._pulse = Pulse()
        app = build(Surface(ask, look, metrics, self._pulse, figures))
        self._gate = Gate(app, (web.host, *web.names))
        self.address = ""
        """host:port while listening, else empty."""
        self.listening = asyncio.Event()

    def changed(self) -> None:
        """The view was replaced: call it after every cycle and on each change between. Also feeds /healthz."""
        self._pulse.changed()

    async def run(self) -> None:
        """Raises OSError when the address cannot be bound."""
        with _bound(self._web) as listener:
            server = _Server(self._config())
            self._pulse.start()
            self.address = _address(listener)
            self.listening.set()
            try:
                await server.serve(sockets=[listener])
            finally:
                self.listening.clear()
                self.address = ""
                self._pulse.close()
                if server.started:
                    await server.shutdown(sockets=[listener])

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._gate,
            http=GuardedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=GRACE_S,
        )


def _bound(web: WebSlice) -> socket.socket:
    """Listens at once: a client may connect as soon as the address is known."""
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    listener = socket.create_server((web.host, web.port), family=family)
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
