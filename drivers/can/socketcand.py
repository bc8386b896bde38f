"""The socketcand protocol over TCP in raw mode, as a client.

python-can has a client too. It never notices that the server has gone (an empty read means nothing to it), waits
without limit in the handshake, and retries a refused connection without a pause; so we speak it ourselves.
"""

import asyncio
import re

from drivers.can.frame import Frame, Socketcand
from drivers.can.link import REST_S, Ear
from drivers.can.trouble import trouble_of

STEP_S = 3.0
HIGH_WATER = 16384
LONGEST_REST = 512

_FRAME = re.compile(r"frame ([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8}) [0-9.]+ ?([0-9A-Fa-f ]*)")
_ERROR = re.compile(r"error ([0-9A-Fa-f]{1,8}) ")


class SocketcandLink(asyncio.Protocol):
    """One connection. Until `ready` is set answers belong to the handshake, afterwards they are frames."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._rest = ""
        self._transport: asyncio.Transport | None = None
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self.ready = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._replies.put_nowait("closed")
        if self.ready:
            self.ready = False
            self._ear.lost(f"socketcand closed the connection: {exc or 'end of stream'}")

    def data_received(self, data: bytes) -> None:
        *messages, self._rest = (self._rest + data.decode("ascii", "replace")).split(">")
        if len(self._rest) > LONGEST_REST:
            self._rest = ""
            self._ear.garbled("socketcand sends no messages")
        for message in messages:
            self._message(message)
        if self.ready and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def _message(self, message: str) -> None:
        start = message.rfind("<")
        text = message[start + 1 :].strip()
        if start < 0:
            self._ear.garbled(f"a message without a beginning: {message[:40]!r}")
        elif not self.ready:
            self._replies.put_nowait(text)
        else:
            self._raw(text)

    def _raw(self, text: str) -> None:
        if found := _FRAME.fullmatch(text):
            frame = _frame(found[1], found[2])
            if frame is not None:
                self._ear.heard(frame)
                return
        elif found := _ERROR.match(text):
            self._ear.troubled(trouble_of(int(found[1], 16), b""))
            return
        self._ear.garbled(f"no message of socketcand: {text[:40]!r}")

    async def shake_hands(self, channel: str) -> None:
        """Open the interface at the server.

        Raises:
            OSError: the server does not have it, or does not speak the protocol.
        """
        await self._reply("hi")
        self._write(f"< open {channel} >")
        await self._reply("ok")
        self._write("< rawmode >")
        await self._reply("ok")
        if self._transport is None:
            raise OSError("socketcand closed the connection")
        self.ready = True

    async def _reply(self, wanted: str) -> None:
        try:
            async with asyncio.timeout(STEP_S):
                reply = await self._replies.get()
        except TimeoutError as error:
            raise OSError("socketcand does not answer") from error
        if reply != wanted:
            raise OSError(f"socketcand answers {reply[:60]!r}, not {wanted!r}: is the channel's name right?")

    def _write(self, text: str) -> None:
        if self._transport is None:
            raise OSError("socketcand closed the connection")
        self._transport.write(text.encode())

    def send(self, frame: Frame) -> bool:
        if self._transport is None:
            raise OSError("not connected to socketcand")
        if self._transport.get_write_buffer_size() > HIGH_WATER:
            return False
        data = " ".join(f"{byte:x}" for byte in frame.data)
        self._transport.write(
            f"< send {frame.id:0{8 if frame.extended else 3}X} {len(frame.data):X} {data} >".encode()
        )
        return True

    def close(self) -> None:
        self.ready = False
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


def _frame(can_id: str, digits: str) -> Frame | None:
    """None: the digits are no bytes, or no CAN controller could have sent this."""
    try:
        frame = Frame(int(can_id, 16), bytes.fromhex(digits), len(can_id) == 8)
    except ValueError:
        return None
    return frame if frame.possible else None


async def open_socketcand(line: Socketcand, ear: Ear) -> SocketcandLink:
    """Connect and open the channel.

    Raises:
        OSError: no server, no such channel, or no answer in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(STEP_S):
            _, link = await loop.create_connection(lambda: SocketcandLink(ear), line.host, line.port)
    except TimeoutError as error:
        raise OSError(f"{line.host}:{line.port} does not answer") from error
    try:
        await link.shake_hands(line.channel)
    finally:
        if not link.ready:
            link.close()
    return link
