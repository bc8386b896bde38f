import pytest

from drivers.modbus.tag import TagRegister

CARD, OTHER = "04A1B2C3", "04D1D2D3D4D5D6"
PHONE, PHONE_LATER = "08A1B2C3", "08D1D2D3"
NONE, UNCLEAR = "", None

Shown = tuple[float, str | None]


def taps(*readings: Shown) -> list[float]:
    """When there was a tap, of a charger that showed no card when it was found."""
    register = TagRegister()
    assert not register.presents(NONE, 0.0)
    return [t_s for t_s, shown in readings if register.presents(shown, t_s)]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([(1.0, CARD), (2.0, CARD), (600.0, CARD)], [1.0]),
        ([(1.0, CARD), (2.0, NONE), (3.0, NONE), (4.0, CARD)], [1.0, 4.0]),
        ([(1.0, CARD), (2.0, OTHER), (3.0, CARD)], [1.0, 2.0, 3.0]),
        ([(1.0, CARD), (2.0, NONE), (3.0, CARD)], [1.0]),
        ([(1.0, CARD), (2.0, NONE), (2.1, NONE), (3.0, CARD)], [1.0]),
        ([(1.0, CARD), (2.0, NONE), (2.1, CARD), (3.0, NONE), (3.1, CARD)], [1.0]),
        ([(1.0, CARD), (2.0, UNCLEAR), (9.0, UNCLEAR), (10.0, CARD)], [1.0]),
        ([(1.0, CARD), (2.0, NONE), (3.0, UNCLEAR), (4.0, NONE), (5.0, CARD)], [1.0, 5.0]),
    ],
    ids=[
        "held, or left there until the next card",
        "held again after the register cleared",
        "replaced by another",
        "gone in one reading only",
        "gone in two readings of one moment",
        "gone again and again for a moment",
        "not readable for a while",
        "gone with an unreadable reading between",
    ],
)
def test_r18_a_card_is_one_tap_when_the_register_begins_to_show_it(
    readings: list[Shown], expected: list[float]
) -> None:
    assert taps(*readings) == expected


def test_what_is_shown_first_is_from_before() -> None:
    register = TagRegister()
    assert not register.presents(UNCLEAR, 0.0)
    assert not register.presents(CARD, 1.0)
    assert not register.presents(CARD, 2.0)
    assert register.presents(OTHER, 3.0)


def test_after_a_doubt_another_card_is_from_before_too() -> None:
    register = TagRegister()
    assert not register.presents(NONE, 0.0)
    register.doubt()
    assert not register.presents(CARD, 1.0)
    assert register.presents(OTHER, 2.0)


def test_r21_a_phone_that_changes_its_uid_while_it_lies_there_is_one_tap() -> None:
    assert taps((1.0, PHONE), (2.0, PHONE_LATER), (6.0, PHONE), (10.0, PHONE_LATER)) == [1.0]
    assert taps((1.0, PHONE), (2.0, PHONE), (30.0, PHONE_LATER)) == [1.0, 30.0]
    assert taps((1.0, PHONE), (2.0, CARD)) == [1.0, 2.0]
