"""A reader at a real pseudo-terminal: taps, a card left on it, and a plug that is pulled."""

import asyncio
import itertools
import os
import time
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import serial

from drivers.api import DeviceEvent, Feedback, Health, HealthChanged, TokenRead, TokenReader
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.rfid.build import build_reader, line_of
from drivers.rfid.reader import Reader
from drivers.setups import ReaderSetup

RDM = b"\x020100ABCDEF88\x03"


def profile_of(name: str) -> DeviceProfile:
    return load(builtin_folder() / "readers" / f"{name}.toml")


class Cable:
    """A serial device that can be pulled out and put back under the same name."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self._fd = -1

    def plug(self) -> None:
        self._fd, slave = os.openpty()
        tty.setraw(slave)
        self.port.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        if self._fd >= 0:
            self.port.unlink()
            os.close(self._fd)
        self._fd = -1

    def send(self, data: bytes) -> None:
        os.write(self._fd, data)


class Seen:
    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []

    def __call__(self, event: DeviceEvent) -> None:
        self.events.append(event)

    @property
    def uids(self) -> list[str]:
        return [event.uid for event in self.events if isinstance(event, TokenRead)]

    @property
    def health(self) -> list[Health]:
        """Its changes; another reason for the same is none."""
        told = [event.health for event in self.events if isinstance(event, HealthChanged)]
        return [health for health, _ in itertools.groupby(told)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(cable: Cable, seen: Seen, profile: str = "rdm6300") -> AsyncIterator[Reader]:
    reader = build_reader(ReaderSetup("door", str(cable.port), None), profile_of(profile), seen)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run())
        try:
            yield reader
        finally:
            task.cancel()
            cable.unplug()


@pytest.fixture
def cable(tmp_path: Path) -> Cable:
    return Cable(tmp_path / "usb-reader")


async def test_a_tap_reaches_the_sink_with_id_uid_and_time(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen) as reader:
        await seen.until(lambda: seen.health == [Health.OK])
        before_s = asyncio.get_running_loop().time()
        cable.send(RDM)
        await seen.until(lambda: bool(seen.uids))
        tap = seen.events[-1]
        assert isinstance(tap, TokenRead)
        assert (tap.reader, tap.uid) == ("door", "0100ABCDEF")
        assert before_s <= tap.t_s <= asyncio.get_running_loop().time()
        assert reader.health is Health.OK


async def test_a_card_held_to_the_reader_is_one_tap_and_a_second_card_is_another(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    other = b"\x020200ABCDEF8B\x03"
    async with running(cable, seen, "rdm6300"):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(RDM * 3 + other + RDM + other)
        await seen.until(lambda: len(seen.uids) >= 2)
        await asyncio.sleep(0.05)
        assert seen.uids == ["0100ABCDEF", "0200ABCDEF"]


async def test_a_card_that_was_gone_for_the_repeat_time_taps_again(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(RDM)
        await seen.until(lambda: len(seen.uids) == 1)
        await asyncio.sleep(1.2)
        cable.send(RDM)
        await seen.until(lambda: len(seen.uids) == 2)
        assert seen.uids == ["0100ABCDEF", "0100ABCDEF"]


async def test_a_line_reader_is_read_with_the_form_of_its_device_profile(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "ascii-line"):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(b"04a1b2")
        await asyncio.sleep(0.02)
        cable.send(b"c3d4e5f6\r\n")
        await seen.until(lambda: bool(seen.uids))
        assert seen.uids == ["04A1B2C3D4E5F6"]


async def test_a_reader_that_was_pulled_out_is_found_again_within_five_seconds(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen) as reader:
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(RDM[:7])
        cable.unplug()
        await seen.until(lambda: reader.health is Health.LOST)
        await asyncio.sleep(1.2)  # at least one attempt finds nothing
        loop = asyncio.get_running_loop()
        cable.plug()
        back_s = loop.time()
        await seen.until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        cable.send(RDM)
        await seen.until(lambda: bool(seen.uids))
        assert seen.health == [Health.OK, Health.LOST, Health.OK]
        assert seen.uids == ["0100ABCDEF"]


async def test_a_missing_port_is_told_and_logged_once(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()
    async with running(cable, seen) as reader:
        await seen.until(lambda: reader.health is Health.LOST)
        await asyncio.sleep(2.3)
        assert len(seen.events) == 1
        assert len(caplog.records) == 1
        assert str(cable.port) in caplog.text


async def test_what_was_under_way_when_the_port_opened_is_dropped(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "ascii-line"):
        await asyncio.sleep(0)
        cable.send(b"C3D4E5F6\r\n")  # the tail of a longer line
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(b"04A1B2C3\r\n")
        await seen.until(lambda: bool(seen.uids))
        assert seen.uids == ["04A1B2C3"]


async def test_a_broken_line_does_not_become_the_head_of_a_later_one(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "ascii-line"):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(b"04A1B2")
        await asyncio.sleep(2)
        cable.send(b"11223344\r\n")
        await seen.until(lambda: bool(seen.uids))
        assert seen.uids == ["11223344"]


async def test_a_line_that_came_while_the_loop_was_busy_is_read_as_a_whole(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "ascii-line"):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(b"04A1B2")
        await asyncio.sleep(0.05)
        time.sleep(1.3)
        cable.send(b"C3D4E5F6\r\n")
        await seen.until(lambda: bool(seen.uids))
        assert seen.uids == ["04A1B2C3D4E5F6"]


async def test_the_tail_of_a_line_that_was_under_way_at_the_opening_is_no_card(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "ascii-line"):
        await asyncio.sleep(0.03)
        while not seen.health:  # a reader that repeats its line without a pause
            cable.send(b"C3D4E5F6\r\n04A1B2")
            await asyncio.sleep(0.02)
        cable.send(b"C3D4E5F6\r\n")
        await asyncio.sleep(0.02)
        cable.send(b"14A1B2C3\r\n")
        await seen.until(lambda: "14A1B2C3" in seen.uids)
        assert seen.uids == ["14A1B2C3"]


async def test_a_card_that_is_held_while_the_loop_is_busy_is_one_tap(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    async with running(cable, seen, "rdm6300"):
        await seen.until(lambda: seen.health == [Health.OK])
        cable.send(RDM)
        await seen.until(lambda: bool(seen.uids))
        cable.send(RDM * 8)
        time.sleep(0.5)
        await asyncio.sleep(0.2)
        assert seen.uids == ["0100ABCDEF"]


async def test_another_reason_for_the_same_loss_is_told(cable: Cable, tmp_path: Path) -> None:
    seen = Seen()
    async with running(cable, seen) as reader:
        await seen.until(lambda: reader.health is Health.LOST)
        cable.port.write_text("no port")
        await seen.until(lambda: len(seen.events) == 2)
        texts = [event.text for event in seen.events if isinstance(event, HealthChanged)]
        assert "No such file" in texts[0]
        assert "No such file" not in texts[1]
        await asyncio.sleep(1.5)
        assert len(seen.events) == 2
        cable.port.unlink()


async def test_the_port_is_ours_alone_and_free_after_the_stop(cable: Cable) -> None:
    seen = Seen()
    cable.plug()
    reader = build_reader(ReaderSetup("door", str(cable.port), None), profile_of("rdm6300"), seen)
    task = asyncio.create_task(reader.run())
    await seen.until(lambda: seen.health == [Health.OK])
    with pytest.raises(serial.SerialException):
        serial.Serial(str(cable.port), exclusive=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    serial.Serial(str(cable.port), exclusive=True).close()
    cable.unplug()


async def test_it_is_a_token_reader_and_shows_nothing(cable: Cable) -> None:
    reader = build_reader(ReaderSetup("door", str(cable.port), None), profile_of("rdm6300"), Seen())
    as_reader: TokenReader = reader
    assert (as_reader.id, as_reader.health) == ("door", Health.UNKNOWN)
    await as_reader.show(Feedback.REFUSED)


def test_the_site_may_give_another_baud_rate() -> None:
    profile = profile_of("rdm6300")
    assert line_of(ReaderSetup("door", "/dev/x", None), profile).baud == 9600
    assert line_of(ReaderSetup("door", "/dev/x", 19200), profile).baud == 19200


def test_a_device_profile_that_is_no_reader_is_refused() -> None:
    meter = load(builtin_folder() / "meters" / "janitza-umg96.toml")
    with pytest.raises(ValueError, match="janitza-umg96"):
        build_reader(ReaderSetup("door", "/dev/x", None), meter, Seen())
