"""PN532 frames: the published vectors, the UIDs in answers, and every kind of damage."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid.pn532_frames import ACK, NACK, Frame, Kind, request, split, uid_in

LISTED = bytes.fromhex("0000FF 0CF4 D54B 0101 0004 08 04 A1B2C3D4 E4 00")
"""One card, SENS_RES 0004, SEL_RES 08, four bytes; D5 to D4 add up to 41C, and 1C + E4 = 100."""
LISTED_DATA = bytes.fromhex("4B 0101 0004 08 04 A1B2C3D4")
ERROR = bytes.fromhex("0000FF01FF7F8100")


def in_pieces(pieces: list[bytes]) -> list[Frame]:
    frames: list[Frame] = []
    rest = b""
    for piece in pieces:
        found, rest = split(rest + piece)
        frames += found
        assert len(rest) <= 4 + 129
    return frames


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def answer_of(data: bytes) -> bytes:
    body = b"\xd5" + data
    return bytes((0, 0, 0xFF, len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


noise = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from([b"\x00", b"\xff", b"\xd5", ACK]), max_size=30).map(b"".join)
)


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        ("4A0100", "0000FF04FCD44A0100E100"),
        ("14010001", "0000FF05FBD41401000116 00"),
        ("02", "0000FF02FED4022A00"),
    ],
)
def test_commands_have_the_frames_of_the_manual(command: str, frame: str) -> None:
    assert request(bytes.fromhex(command)) == bytes.fromhex(frame)


def test_every_kind_of_frame_is_told_from_the_others() -> None:
    damaged = LISTED[:-2] + b"\xe5\x00"
    kinds = [frame.kind for frame in split(ACK + LISTED + ERROR + NACK + damaged + ACK)[0]]
    assert kinds == [Kind.ACK, Kind.ANSWER, Kind.ERROR, Kind.NACK, Kind.DAMAGED, Kind.ACK]


def test_an_answer_carries_its_data() -> None:
    assert split(LISTED)[0] == (Frame(Kind.ANSWER, LISTED_DATA),)


@pytest.mark.parametrize("short", range(len(LISTED) - 1))
def test_a_frame_that_is_not_all_there_waits_for_the_rest(short: int) -> None:
    found, rest = split(LISTED[:short])
    assert found == ()
    assert split(rest + LISTED[short:])[0] == (Frame(Kind.ANSWER, LISTED_DATA),)


def test_our_own_command_heard_as_an_echo_is_no_answer() -> None:
    assert split(request(b"\x4a\x01\x00"))[0] == ()


@pytest.mark.parametrize("head", ["00FF0CF5", "00FF0000", "00FF817F", "00FFFFFF"])
def test_a_wrong_length_is_passed_over(head: str) -> None:
    assert split(bytes.fromhex(head) + LISTED)[0] == (Frame(Kind.ANSWER, LISTED_DATA),)


def test_a_frame_inside_what_only_looked_like_one_is_read() -> None:
    frames, _ = split(bytes.fromhex("00FF 13ED") + LISTED + bytes(2))
    assert frames == (Frame(Kind.DAMAGED), Frame(Kind.ANSWER, LISTED_DATA))


@given(st.binary(min_size=2, max_size=80), st.lists(st.integers(0, 90), max_size=5))
def test_an_answer_is_read_however_it_is_cut_into_pieces(data: bytes, cuts: list[int]) -> None:
    assert in_pieces(cut(answer_of(data), cuts)) == [Frame(Kind.ANSWER, data)]


@given(noise, st.lists(st.integers(0, 60), max_size=5))
def test_pieces_and_the_whole_give_the_same(data: bytes, cuts: list[int]) -> None:
    assert in_pieces(cut(data, cuts)) == in_pieces([data])


@given(noise)
def test_it_finds_its_way_back_after_any_bytes(before: bytes) -> None:
    # What the noise began may swallow as many frames as the longest has bytes; not more.
    assert in_pieces([before, LISTED * 8])[-1] == Frame(Kind.ANSWER, LISTED_DATA)


@given(st.binary(min_size=2, max_size=40), st.integers(0, 45), st.integers(1, 255))
def test_one_wrong_byte_never_makes_another_answer(data: bytes, at: int, change: int) -> None:
    frame = bytearray(answer_of(data))
    if at < len(frame):
        frame[at] ^= change
    answers = [found.data for found in split(bytes(frame))[0] if found.kind is Kind.ANSWER]
    assert all(answer == data for answer in answers)


@pytest.mark.parametrize(
    ("answer", "uid"),
    [
        ("4B 0101 0004 08 04 A1B2C3D4", "A1B2C3D4"),
        ("4B 0101 0044 00 07 04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        ("4B 0101 0084 00 0A 04112233445566778899", "04112233445566778899"),
        ("4B 0101 0344 20 07 04A1B2C3D4E5F6 067577810280", "04A1B2C3D4E5F6"),
        ("4B 0101 0004 20 04 08A1B2C3", "08A1B2C3"),
    ],
)
def test_uids_of_four_seven_and_ten_bytes_are_kept_in_the_order_received(answer: str, uid: str) -> None:
    assert uid_in(bytes.fromhex(answer)) == uid


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "4B",
        "4B 00",
        "4B 0101 0004 08",
        "4B 0101 0004 08 04 A1B2C3",
        "4B 0101 0004 08 05 A1B2C3D4E5",
        "4B 0201 0004 08 04 A1B2C3D4 02 0004 08 04 A1B2C3D5",
        "4B 0101 0004 08 04 A1B2C3D4 99",
        "4B 0101 0004 08 00",
        "4B 0101 0004 08 04 00000000",
        "4B 0101 0004 08 04 8804A1B2",
        "53 0101 0004 08 04 A1B2C3D4",
    ],
)
def test_an_answer_that_contradicts_itself_gives_nothing(answer: str) -> None:
    assert uid_in(bytes.fromhex(answer)) is None


def test_r21_a_turned_uid_is_turned_but_a_random_one_stays_known_as_random() -> None:
    assert uid_in(LISTED_DATA, reverse_bytes=True) == "D4C3B2A1"
    assert uid_in(bytes.fromhex("4B 0101 0004 08 04 08B2C3D4"), reverse_bytes=True) == "08B2C3D4"


@given(st.binary(max_size=40).flatmap(lambda tail: st.sampled_from([tail, b"\x4b\x01\x01" + tail])))
def test_any_answer_gives_a_uid_or_nothing(answer: bytes) -> None:
    uid = uid_in(answer)
    assert uid is None or (len(uid) in (8, 14, 20) and uid == uid.upper() and bytes.fromhex(uid) in answer)
