"""A reader at a port: whatever hangs, wherever the plug is pulled, the loop goes on and it is found again."""

import asyncio
import os
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.api import Health
from drivers.rfid import port_source, rdm6300
from drivers.rfid.listening import Listening
from drivers.rfid.port_source import PortSource
from drivers.rfid.reader import Reader
from drivers.rfid.serial_device import SerialDevice
from drivers.setups import Line
from sim.clock import SimClock
from sim.device_profile import load_profile
from sim.readers import SimReader
from tests.drivers.rfid.heard import Heard, profile_of, running, until

CARD = "04A1B2C3"


class Slow:
    """Opens a pseudo-terminal, but only when it may."""

    def __init__(self) -> None:
        self.may_open, self.may_close = threading.Event(), threading.Event()
        self.may_close.set()
        self.made: list[SlowDevice] = []
        self.tries = 0
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)

    def open(self) -> "SlowDevice":
        self.tries += 1
        self.may_open.wait(20)
        self.made.append(SlowDevice(SerialDevice(Line(os.ttyname(self._slave), 9600, "N", 1)), self.may_close))
        return self.made[-1]

    def end(self) -> None:
        self.may_open.set()
        self.may_close.set()
        os.close(self.master)
        os.close(self._slave)


class SlowDevice:
    def __init__(self, device: SerialDevice, may_close: threading.Event) -> None:
        self.name, self.fileno, self.receive = device.name, device.fileno, device.receive
        self.is_closed = False
        self._device, self._may_close = device, may_close

    def close(self) -> None:
        self._may_close.wait(20)
        self._device.close()
        self.is_closed = True


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.end()


def reader_of(slow: Slow, heard: Heard) -> Reader:
    source = PortSource("slow", slow.open, Listening(rdm6300.split))
    return Reader("door", source, repeat_s=0.3, sink=heard)


async def test_a_port_that_hangs_when_it_is_opened_holds_nothing_up_and_is_not_left_open(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_source, "OPEN_S", 0.2)
    heard = Heard()
    task = asyncio.create_task(reader_of(slow, heard).run())
    await until(lambda: heard.health == [Health.LOST])
    await asyncio.sleep(1.5)
    assert slow.tries == 1
    slow.may_open.set()
    await until(lambda: heard.health[-1] is Health.OK)
    assert [device.is_closed for device in slow.made] == [True, False]
    task.cancel()
    await asyncio.wait({task})
    assert [device.is_closed for device in slow.made] == [True, True]


async def test_a_port_that_hangs_when_it_is_closed_holds_nothing_up(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_source, "CLOSE_S", 0.2)
    slow.may_open.set()
    heard = Heard()
    task = asyncio.create_task(reader_of(slow, heard).run())
    await until(lambda: heard.health == [Health.OK])
    slow.may_close.clear()
    task.cancel()
    await asyncio.wait_for(asyncio.wait({task}), 5)
    assert not slow.made[0].is_closed
    slow.may_close.set()
    await until(lambda: slow.made[0].is_closed)


async def pulled_at(kind: str, words: int, folder: Path) -> tuple[list[Health], list[str]]:
    """The plug is pulled when the reader has said so many words, and put back into another one soon after."""
    port, heard = folder / f"{kind}-{words}", Heard()
    first = SimReader("r", load_profile(kind), ["A1"], clock=SimClock())
    assert first.device is not None
    first.device.present(bytes.fromhex(CARD))
    pulled = asyncio.Event()
    said = 0

    def counting(say: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def says(data: bytes) -> None:
            nonlocal said
            said += 1
            if said < words:
                say(data)
            else:
                pulled.set()

        return says

    first.device._send = counting(first.device._send)
    port.symlink_to(first.port)
    async with running(profile_of(kind), str(port), heard) as reader:
        await asyncio.wait_for(pulled.wait(), 15)
        port.unlink()
        await first.close()
        await until(lambda: reader.health is Health.LOST)
        told = len(heard.events)
        second = SimReader("r", load_profile(kind), ["A1"], clock=SimClock())
        assert second.device is not None
        loop = asyncio.get_running_loop()
        port.symlink_to(second.port)
        back_s = loop.time()
        await until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        second.device.present(bytes.fromhex("14D1D2D3"))
        await until(lambda: "14D1D2D3" in heard.uids)
    await second.close()
    assert len(heard.events) > told
    return heard.health, heard.uids


@pytest.mark.parametrize("kind", ["pn532", "twn4"])
async def test_wherever_the_plug_is_pulled_the_reader_is_found_again_within_five_seconds(
    kind: str, tmp_path: Path
) -> None:
    ends = await asyncio.gather(*(pulled_at(kind, words, tmp_path) for words in range(1, 13)))
    for health, uids in ends:
        assert health[-2:] == [Health.LOST, Health.OK]
        assert set(uids) <= {CARD, "14D1D2D3"}
    assert any(CARD in uids for _, uids in ends)
