"""The network between controller and CSMS: a TCP proxy that can be cut, stalled and slowed."""

import asyncio
import math
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

STATES = ("up", "down", "refuse", "blackhole", "reset", "slow")
DEFAULT_SLOW_MS = 200
CHUNK = 65536
CONNECT_TIMEOUT_S = 5
LINGER_NONE = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _checked(name: str, value: float | None) -> None:
    if value is not None and (not math.isfinite(value) or value < 0):
        raise ValueError(f"{name}: {value!r} is not a length of time")


@dataclass(slots=True)
class _Weather:
    """What the tunnels need to know of the state; `flows` is cleared in a black hole."""

    flows: asyncio.Event
    delay_s: float = 0.0


class _Tunnel:
    """One connection of the controller and ours to the CSMS."""

    def __init__(self, near: Streams, far: Streams, weather: _Weather) -> None:
        self._near = near
        self._far = far
        self._weather = weather

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(self._near[0], self._far[1]))
                tasks.create_task(self._carry(self._far[0], self._near[1]))
        finally:
            self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A chunk leaves its delay after it came, so that a delay costs no throughput."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(chunks, writer))
            data = b"-"
            while data:
                await self._weather.flows.wait()
                data = await _read(reader)
                await chunks.put((asyncio.get_running_loop().time() + self._weather.delay_s, data))

    async def _deliver(self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        data = b"-"
        while data:
            due_s, data = await chunks.get()
            await asyncio.sleep(due_s - asyncio.get_running_loop().time())
            await self._weather.flows.wait()
            with suppress(OSError):
                if data:
                    writer.write(data)
                    await writer.drain()
                else:
                    _end(writer)

    def cut(self) -> None:
        for _, writer in (self._near, self._far):
            writer.transport.abort()

    def reset(self) -> None:
        for _, writer in (self._near, self._far):
            _reset(writer)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """A broken connection reads as its end."""
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


def _end(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing() and writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    writer.transport.abort()


class Proxy:
    """Listens on 127.0.0.1 and passes on to the target; the port stays the same through all states.

    up: pass on. down: no listener, connections cut. refuse: accepted and closed at once, connections cut.
    blackhole: connections stand still and go on afterwards; new ones are accepted, swallowed, and cut
    afterwards. reset: connections get RST, then up, or as long as `seconds` says for new ones too.
    slow: every chunk takes `ms` longer, each way.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._port = 0
        self._state = "up"
        self._weather = _Weather(asyncio.Event())
        self._listener: socket.socket | None = None
        self._tunnels: set[_Tunnel] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self._timer: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        return self._state

    async def start(self) -> int:
        ready = asyncio.Event()
        self._runner = asyncio.create_task(self._run(ready))
        await ready.wait()
        self._enter("up", None)
        return self._port

    async def _run(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            ready.set()
            await asyncio.Event().wait()

    async def stop(self) -> None:
        self._enter("down", None)
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner
            self._runner = None
        self._tasks = None

    def set_state(self, state: str, *, ms: int | None = None, seconds: float | None = None) -> None:
        """The state holds when this returns; with `seconds` it goes back to up by itself.

        Raises:
            ValueError: There is no such state or length of time, or the proxy is not running.
        """
        if state not in STATES:
            raise ValueError(f"state {state!r} is not one of {', '.join(STATES)}")
        _checked("ms", ms)
        _checked("seconds", seconds)
        if self._tasks is None:
            raise ValueError("the proxy is not running")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._enter(state, ms)
        if seconds is not None:
            self._timer = self._tasks.create_task(self._recover(seconds))
        elif state == "reset":
            self._enter("up", None)

    async def _recover(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._enter("up", None)

    def _enter(self, state: str, ms: int | None) -> None:
        self._state = state
        self._weather.delay_s = (DEFAULT_SLOW_MS if ms is None else ms) / 1000 if state == "slow" else 0.0
        if state == "blackhole":
            self._weather.flows.clear()
        else:
            self._weather.flows.set()
            for writer in self._swallowed:
                writer.transport.abort()
        self._end_tunnels(state)
        if state == "down":
            self._close_listener()
        else:
            self._open_listener()

    def _end_tunnels(self, state: str) -> None:
        for tunnel in self._tunnels:
            if state == "reset":
                tunnel.reset()
            elif state in ("down", "refuse"):
                tunnel.cut()

    def _open_listener(self) -> None:
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(128)
        self._port = listener.getsockname()[1]
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _close_listener(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if self._tasks is None or self._state == "refuse":
            connection.close()
        elif self._state == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            connection.close()
        else:
            connection.setblocking(False)
            self._tasks.create_task(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        near = await asyncio.open_connection(sock=connection)
        if self._state == "blackhole":
            await self._swallow(near)
        else:
            await self._pass_on(near)

    async def _swallow(self, near: Streams) -> None:
        reader, writer = near
        self._swallowed.add(writer)
        try:
            while await _read(reader):
                pass
        finally:
            self._swallowed.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, near: Streams) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                far = await asyncio.open_connection(*self._target)
        except OSError:
            near[1].transport.abort()
            return
        tunnel = _Tunnel(near, far, self._weather)
        self._tunnels.add(tunnel)
        self._end_tunnels(self._state)
        try:
            await tunnel.run()
        finally:
            self._tunnels.discard(tunnel)
