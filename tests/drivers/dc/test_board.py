"""What an I/O module showed before a contactor was switched says nothing of it afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.api import DeviceEvent
from drivers.dc.board import Board
from drivers.modbus.bus import ModbusBus
from drivers.modbus.reading import Image
from drivers.setups import Endpoint
from tests.drivers.can.rig import until
from tests.drivers.dc.rig import BOARD, Server

COIL, INPUT = 11, 111


class Listening(Board):
    """Keeps the readings that it was shown."""

    def seen(self, image: Image) -> None:
        self.images = [*getattr(self, "images", []), image]
        super().seen(image)


@asynccontextmanager
async def board() -> AsyncIterator[tuple[Server, Listening]]:
    server, events = Server(), list[DeviceEvent]()
    server.coils, server.inputs = {COIL: False}, {INPUT: False}
    await server.start()
    bus = ModbusBus("lan", Endpoint("127.0.0.1", server.port), events.append)
    made = Listening("contactors", bus.place, BOARD, pairs=[(COIL, INPUT)], changed=lambda: None)
    bus.join(made)
    task = asyncio.create_task(bus.run())
    try:
        await until(lambda: made.coil(COIL, time.monotonic()) is not None, "read")
        yield server, made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


async def test_r9_a_reading_from_before_the_switching_does_not_show_the_contactor_open() -> None:
    async with board() as (server, made):
        before = made.images[-1]
        await made.switch(COIL, on=True)
        made.seen(before)
        now_s = time.monotonic()
        assert (made.coil(COIL, now_s), made.feedback(INPUT, now_s)) == (None, None)
        server.inputs[INPUT] = True
        await until(lambda: made.feedback(INPUT, time.monotonic()) is not None)
        coil, feedback = made.coil(COIL, time.monotonic()), made.feedback(INPUT, time.monotonic())
        assert coil is not None
        assert feedback is not None
        assert (coil.on, feedback.on) == (True, True)
