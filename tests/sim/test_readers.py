"""The bytes that a card makes on a reader's line."""

import asyncio
import os
import time

import pytest

from sim.clock import SimClock
from sim.device_profile import load_profile
from sim.readers import SimReader, ascii_frame, rdm6300_frame


def listen(path: str, seconds: float) -> bytes:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        data = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data += os.read(fd, 512)
            except BlockingIOError:
                time.sleep(0.01)
        return data
    finally:
        os.close(fd)


async def tapped(profile: str, uid: str, hold_s: float = 0.0, times: int = 1, *, seconds: float = 0.3) -> bytes:
    reader = SimReader("r", load_profile(profile), ["A1"], clock=SimClock())
    try:
        heard = asyncio.create_task(asyncio.to_thread(listen, reader.port, seconds))
        await asyncio.sleep(0.05)
        await reader.tap(reader.frame(uid), hold_s=hold_s, times=times)
        return await heard
    finally:
        await reader.close()


def test_rdm6300_frame_of_the_published_card() -> None:
    # 01 00 AB CD EF, checksum 0x01 ^ 0x00 ^ 0xAB ^ 0xCD ^ 0xEF = 0x88
    assert rdm6300_frame("0100ABCDEF") == b"\x020100ABCDEF88\x03"


@pytest.mark.parametrize("uid", ["", "04A1B2C3D4E5F6", "01"])
def test_rdm6300_reads_only_five_byte_cards(uid: str) -> None:
    with pytest.raises(ValueError, match="five bytes"):
        rdm6300_frame(uid)


def test_ascii_line_in_hex_in_decimal_and_reversed() -> None:
    assert ascii_frame("04a1b2c3", decimal=False, reverse=False) == b"04A1B2C3\r\n"
    assert ascii_frame("04A1B2C3", decimal=True, reverse=False) == b"77705923\r\n"
    assert ascii_frame("04A1B2C3", decimal=False, reverse=True) == b"C3B2A104\r\n"


async def test_card_arrives_once_from_a_line_reader() -> None:
    assert await tapped("ascii-line", "04A1B2C3D4E5F6", 0.2) == b"04A1B2C3D4E5F6\r\n"


async def test_held_card_is_repeated_by_an_rdm6300() -> None:
    data = await tapped("rdm6300", "0100ABCDEF", 0.3, seconds=0.8)
    assert data.count(b"\x020100ABCDEF88\x03") >= 3
    assert len(data) % 14 == 0


async def test_repeated_tap_presents_the_card_again() -> None:
    data = await tapped("ascii-line", "04A1B2C3", times=2, seconds=2.5)
    assert data == b"04A1B2C3\r\n" * 2


async def test_card_that_nobody_reads_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.readers.LOST_AFTER_S", 0.3)
    reader = SimReader("r", load_profile("ascii-line"), ["A1"], clock=SimClock())
    try:
        await reader.tap(reader.frame("04A1B2C3"), hold_s=0, times=1)
        await asyncio.sleep(0.6)
        assert await asyncio.to_thread(listen, reader.port, 0.2) == b""
    finally:
        await reader.close()
