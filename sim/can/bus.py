"""A CAN bus of the site: its wire, its faults, and the way in for the site's controller."""

import random

from sim.can.faults import CanFaults
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.wire import CanWire
from sim.clock import SimClock

INTERFACES = ("socketcand", "slcan")


class CanBus:
    """Needs a running loop. `socketcand` has a TCP port and a channel, `slcan` a serial port."""

    def __init__(
        self, bus_id: str, *, interface: str, channel: str, bitrate: int, clock: SimClock, rng: random.Random
    ) -> None:
        self.id = bus_id
        self.interface = interface
        self.channel = channel
        self.wire = CanWire(bitrate)
        self.faults = CanFaults(self.wire, clock, rng)
        self._server = SocketcandServer(self.wire, channel) if interface == "socketcand" else None
        self._pty = SlcanPty(self.wire) if interface == "slcan" else None
        self._rng = rng

    @property
    def port(self) -> int | str:
        if self._pty is not None:
            return self._pty.path
        return 0 if self._server is None else self._server.port

    async def start(self) -> None:
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self.close()

    def close(self) -> None:
        """Give the serial port back."""
        if self._pty is not None:
            self._pty.close()
            self._pty = None

    def disconnect(self) -> None:
        """Cut the controller's connection, as a gateway that restarts does."""
        if self._server is not None:
            self._server.disconnect()

    def garbage(self) -> None:
        """Bytes on the way to the controller that are no message."""
        data = self._rng.randbytes(self._rng.randint(20, 200))
        if self._server is not None:
            self._server.raw(data)
        if self._pty is not None:
            self._pty.raw(data)
