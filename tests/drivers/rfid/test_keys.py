"""What a reader that plays a keyboard types."""

import evdev.ecodes as codes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid import ascii_line
from drivers.rfid.keys import DOWN, ENTER, KEY, KEYPAD_ENTER, SYN, SYN_DROPPED, Event, text_of


def typed(*names: str) -> bytes:
    return text_of(Event(KEY, int(getattr(codes, f"KEY_{name}")), value) for name in names for value in (1, 0))


def test_the_codes_are_those_of_the_kernel() -> None:
    ours = (SYN, KEY, SYN_DROPPED, ENTER, KEYPAD_ENTER)
    assert ours == (codes.EV_SYN, codes.EV_KEY, codes.SYN_DROPPED, codes.KEY_ENTER, codes.KEY_KPENTER)


def test_every_digit_and_letter_types_itself() -> None:
    characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert typed(*characters) == characters.encode()
    assert typed(*(f"KP{digit}" for digit in range(10))) == b"0123456789"


@pytest.mark.parametrize("enter", ["ENTER", "KPENTER"])
def test_both_enter_keys_end_the_line(enter: str) -> None:
    assert typed("0", "4", "A", enter) == b"04A\r"


def test_separators_are_typed_and_shift_types_nothing() -> None:
    assert typed("LEFTSHIFT", "A", "SEMICOLON", "MINUS", "SPACE", "KPMINUS", "CAPSLOCK") == b"A:- -"


def test_a_key_counts_when_it_goes_down_not_while_it_is_held_nor_when_it_goes_up() -> None:
    assert text_of([Event(KEY, 2, DOWN), Event(KEY, 2, 2), Event(KEY, 2, 2), Event(KEY, 2, 0)]) == b"1"


@pytest.mark.parametrize("key", ["F1", "TAB", "BACKSPACE", "DOT", "102ND"])
def test_any_other_key_spoils_its_line(key: str) -> None:
    text = typed("0", "4", "A", "1", key, "B", "2", "C", "3", "ENTER")
    assert ascii_line.split(text) == ((), b"")


def test_events_that_were_lost_spoil_their_line_and_no_other() -> None:
    lost = text_of([Event(SYN, SYN_DROPPED, 0)])
    text = typed("0", "4") + lost + typed(*"A1B2C3", "ENTER") + typed(*"04A1B2C4", "ENTER")
    assert ascii_line.split(text)[0] == ("04A1B2C4",)


@given(st.lists(st.builds(Event, st.integers(0, 31), st.integers(0, 767), st.integers(-1, 2)), max_size=80))
def test_any_events_give_a_uid_or_nothing_and_the_next_line_is_read(events: list[Event]) -> None:
    uids, rest = ascii_line.split(text_of(events) + b"\r" + typed(*"04A1B2C3", "ENTER"))
    assert uids[-1] == "04A1B2C3"
    assert all(len(uid) in (8, 10, 14, 20) for uid in uids)
    assert rest == b""
