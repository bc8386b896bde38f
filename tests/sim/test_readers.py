"""The bytes that a card makes on a reader's line."""

import asyncio
import os
import time

import pytest

from sim.clock import SimClock
from sim.device_profile import load_profile
from sim.pn532 import SimPn532, answer_frame
from sim.readers import SimReader, ascii_frame, rdm6300_frame
from sim.twn4 import SimTwn4


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


# Readers that are asked. The frames below are those of the manuals, byte by byte.

WAKE = bytes.fromhex("5555" + "00" * 14)
SAM = bytes.fromhex("0000FF05FBD4140100011600")
SEARCH = bytes.fromhex("0000FF04FCD44A0100E100")
FIRMWARE = bytes.fromhex("0000FF02FED4022A00")
ACK, NACK = bytes.fromhex("0000FF00FF00"), bytes.fromhex("0000FFFF0000")
SAM_DONE = bytes.fromhex("0000FF02FED5151600")
LISTED = bytes.fromhex("0000FF0CF4D54B010100040804A1B2C3D4E400")
CARD = bytes.fromhex("A1B2C3D4")


def chip(*, ready: bool = True) -> tuple[SimPn532, list[bytes]]:
    sent: list[bytes] = []
    made = SimPn532(sent.append)
    if ready:
        made.receive(WAKE + SAM)
        sent.clear()
    return made, sent


def test_a_pn532_is_deaf_until_it_is_woken() -> None:
    made, sent = chip(ready=False)
    made.receive(FIRMWARE)
    assert sent == []
    made.receive(WAKE + SAM)
    assert sent == [ACK, SAM_DONE]


def test_a_pn532_that_is_not_set_up_does_not_search() -> None:
    made, sent = chip(ready=False)
    made.receive(WAKE + SEARCH)
    assert sent == [ACK, bytes.fromhex("0000FF01FF7F8100")]


def test_a_pn532_searches_until_a_card_comes_and_says_it_once() -> None:
    made, sent = chip()
    made.receive(SEARCH)
    assert sent == [ACK]
    made.present(CARD)
    made.present(CARD)
    assert sent == [ACK, LISTED]


def test_an_ack_of_the_host_ends_the_search_and_a_nack_has_the_answer_repeated() -> None:
    made, sent = chip()
    made.receive(SEARCH + ACK)
    made.present(CARD)
    assert sent == [ACK]
    made.receive(SEARCH + NACK)
    assert sent[1:] == [ACK, LISTED, LISTED]


def test_a_pn532_ignores_a_damaged_command_and_hears_the_next_in_pieces() -> None:
    made, sent = chip()
    made.receive(SEARCH[:-2] + b"\xe2\x00")
    assert sent == []
    for at in range(len(SEARCH)):
        made.receive(SEARCH[at : at + 1])
    assert sent == [ACK]


def test_the_sum_of_an_answer_is_zero() -> None:
    assert answer_frame(b"\x15") == SAM_DONE


def test_a_twn4_answers_searches_lights_and_beeps() -> None:
    sent: list[bytes] = []
    made = SimTwn4(sent.append)
    made.receive(b"0500")
    made.receive(b"10\r")
    made.present(bytes.fromhex("04A1B2C3D4E5F6"))
    made.receive(b"050010\r0400030000\r040202\r040764D00780008000\r")
    assert sent == [b"0000\r", b"000180380704A1B2C3D4E5F6\r", b"00\r", b"00\r", b"00\r"]
    assert (made.lights, made.beeps) == (2, [(0x64, 2000, 128, 128)])


def test_a_twn4_says_what_is_wrong_with_a_command() -> None:
    sent: list[bytes] = []
    SimTwn4(sent.append).receive(b"xx\r\r0500\r0599\r040764\r")
    assert sent == [b"05\r", b"05\r", b"02\r", b"01\r", b"02\r"]


async def test_a_card_lies_on_a_reader_that_is_asked_for_as_long_as_it_is_held() -> None:
    reader = SimReader("r", load_profile("pn532"), ["A1"], clock=SimClock())
    try:
        fd = os.open(reader.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(fd, WAKE + SAM + SEARCH)
        await asyncio.sleep(0.2)
        await reader.tap(reader.frame("A1B2C3D4"), hold_s=0.1, times=1)
        await asyncio.sleep(0.3)
        assert os.read(fd, 512) == ACK + SAM_DONE + ACK + LISTED
        os.write(fd, SEARCH)
        await asyncio.sleep(0.2)
        assert os.read(fd, 512) == ACK
        os.close(fd)
    finally:
        await reader.close()


async def test_readers_that_are_asked_read_only_cards_of_their_kind() -> None:
    for profile, uid in (("pn532", "0100ABCDEF"), ("twn4", "01"), ("keyboard", "04A1B2C3")):
        reader = SimReader("r", load_profile(profile), ["A1"], clock=SimClock())
        try:
            with pytest.raises(ValueError, match=r"cards|keyboard"):
                reader.frame(uid)
        finally:
            await reader.close()
