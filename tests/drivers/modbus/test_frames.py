import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.frames import Search, crc, frame

READ = pdu.read(17, "holding", address=0x6B, count=2)


def sealed(body: bytes) -> bytes:
    """A frame by a checksum written anew."""
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return body + struct.pack("<H", value)


GOOD = sealed(bytes([17, 3, 4, 0x12, 0x34, 0x56, 0x78]))


def search(data: bytes, request: pdu.Request = READ, *, echoes: bool = False) -> bytes | None:
    return Search(request, echoes=echoes).feed(data)


def test_the_checksum_is_that_of_the_known_example() -> None:
    assert crc(bytes.fromhex("1103006B0003")) == bytes.fromhex("7687")  # MODBUS over serial line, V1.02, 6.2
    assert frame(pdu.read(17, "holding", address=0x6B, count=3)).hex() == "1103006b00037687"


def test_the_answer_is_found_behind_noise_and_a_broken_frame() -> None:
    assert search(bytes([1, 17, 3]) + GOOD) == GOOD[1:-2]
    assert search(bytes([17, 3, 4, 1]) + GOOD) == GOOD[1:-2]


def test_the_answer_may_come_in_pieces() -> None:
    waiting = Search(READ, echoes=False)
    pieces = [waiting.feed(GOOD[i : i + 1]) for i in range(len(GOOD))]
    assert pieces[:-1] == [None] * (len(GOOD) - 1)
    assert pieces[-1] == GOOD[1:-2]


@pytest.mark.parametrize(
    "other",
    [
        GOOD[:-1] + bytes([GOOD[-1] ^ 1]),  # checksum
        sealed(bytes([18, 3, 4, 0, 0, 0, 0])),  # unit
        sealed(bytes([17, 4, 4, 0, 0, 0, 0])),  # function
        sealed(bytes([17, 3, 2, 0, 0])),  # count
        sealed(bytes([17, 3, 6, 0, 0, 0, 0])),  # byte count that contradicts the length
        sealed(bytes([17, 0x84, 2])),  # exception of another function
        sealed(bytes([17, 0x83, 99])),  # no exception code
        GOOD[:-2],  # truncated
    ],
)
def test_what_is_not_the_answer_is_not_taken_for_it(other: bytes) -> None:
    assert search(other) is None


def test_a_write_is_acknowledged_only_by_its_own_echo() -> None:
    write = pdu.write(17, 16, address=5, words=(1, 2))
    assert search(sealed(bytes([17, 16, 0, 5, 0, 2])), write) is not None
    assert search(sealed(bytes([17, 16, 0, 6, 0, 2])), write) is None
    single = pdu.write(17, 6, address=5, words=(7,))
    assert search(sealed(bytes([17, 6, 0, 5, 0, 8])), single) is None


def test_on_a_line_that_echoes_the_copy_of_a_write_is_no_acknowledgement() -> None:
    write = pdu.write(17, 6, address=5, words=(7,))
    waiting = Search(write, echoes=True)
    assert waiting.feed(frame(write)) is None
    assert waiting.feed(frame(write)) == write.pdu


def test_the_copy_of_a_read_is_dropped_and_noticed() -> None:
    waiting = Search(READ, echoes=False)
    assert waiting.feed(frame(READ)[:3]) is None
    assert waiting.feed(frame(READ)[3:] + GOOD) == GOOD[1:-2]
    assert waiting.echoed


def test_an_exception_is_an_error_with_its_code() -> None:
    found = search(sealed(bytes([17, 0x83, 2])))
    assert found is not None
    with pytest.raises(pdu.ExceptionAnswerError) as caught:
        pdu.values(READ, found)
    assert (caught.value.code, caught.value.fault) == (2, Fault.REFUSED)


def test_a_gateway_that_misses_its_device_means_no_answer() -> None:
    with pytest.raises(DeviceError) as caught:
        pdu.values(READ, bytes([0x83, 11]))
    assert caught.value.fault is Fault.TIMEOUT


def test_bits_come_lowest_first() -> None:
    request = pdu.read(1, "coil", address=0, count=10)
    assert pdu.values(request, bytes([1, 2, 0b10000101, 0b10])) == (1, 0, 1, 0, 0, 0, 0, 1, 0, 1)


@pytest.mark.parametrize(("address", "count"), [(0, 126), (0, 0), (65535, 2), (-1, 1)])
def test_a_read_that_cannot_be_sent_is_refused(address: int, count: int) -> None:
    with pytest.raises(ValueError):
        pdu.read(1, "holding", address=address, count=count)


pieces = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [GOOD, GOOD[:5], frame(READ), sealed(bytes([17, 3, 2, 9, 9])), sealed(bytes([17, 0x83, 2]))]
        ),
    ),
    max_size=8,
)


@given(pieces)
def test_random_bytes_never_give_a_value_that_no_whole_frame_carried(chunks: list[bytes]) -> None:
    waiting = Search(READ, echoes=False)
    received = b""
    for chunk in chunks:
        received += chunk
        found = waiting.feed(chunk)
        if found is not None:
            assert sealed(bytes([17]) + found) in received
            assert found[0] == 0x83 or (found[:2] == bytes([3, 4]) and len(found) == 6)
            return


def test_on_a_line_that_echoes_noise_before_the_copy_does_not_make_it_an_acknowledgement() -> None:
    write = pdu.write(17, 6, address=5, words=(7,))
    waiting = Search(write, echoes=True)
    assert waiting.feed(b"\x55" + frame(write)) is None
    assert waiting.feed(frame(write)) == write.pdu


@pytest.mark.parametrize(
    ("data", "plain"),
    [(b"", True), (GOOD, True), (b"\x55" + GOOD, False), (frame(READ) + GOOD, False), (frame(READ)[:-1], False)],
)
def test_only_an_answer_alone_or_silence_shows_that_the_line_does_not_echo(data: bytes, plain: bool) -> None:
    waiting = Search(READ, echoes=False)
    if data:
        waiting.feed(data)
    assert waiting.plain is plain


def test_the_answer_to_another_masters_question_to_the_same_unit_is_not_ours() -> None:
    question = sealed(bytes.fromhex("110300100002"))
    assert search(question + GOOD) is None
    assert search(b"\x00\x11\x03" + question + GOOD) is None
    assert search(b"\x55" + frame(READ) + GOOD) == GOOD[1:-2]
