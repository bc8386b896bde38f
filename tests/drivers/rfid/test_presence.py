"""One tap for a card that is held, however often it is seen."""

from drivers.rfid.presence import Presence

CARD, OTHER = "04A1B2C3", "14A1B2C3"


def test_a_card_arrives_once_while_it_is_seen_and_again_after_looks_without_it() -> None:
    presence = Presence(0.5)
    assert [presence.arrives(CARD, at_s) for at_s in (0.0, 0.3, 0.7)] == [True, False, False]
    for at_s in (0.9, 1.1, 1.2):
        presence.nothing_else(at_s)
    assert presence.arrives(CARD, 1.3)


def test_a_look_that_misses_a_card_for_a_moment_does_not_make_another_tap() -> None:
    presence = Presence(0.5)
    assert presence.arrives(CARD, 0.0)
    presence.nothing_else(0.49)
    assert not presence.arrives(CARD, 0.6)


def test_a_card_that_nobody_could_see_for_a_while_is_still_there() -> None:
    presence = Presence(0.5)
    assert presence.arrives(CARD, 0.0)
    assert not presence.arrives(CARD, 30.0)


def test_a_card_that_another_replaced_taps_again_when_it_comes_back() -> None:
    presence = Presence(0.5)
    taps = [presence.arrives(uid, at_s) for uid, at_s in ((CARD, 0.0), (OTHER, 0.3), (OTHER, 0.6), (CARD, 0.9))]
    assert taps == [True, True, False, True]


def test_cards_that_lie_there_together_arrive_once_each() -> None:
    presence = Presence(0.5)
    assert [presence.arrives(uid, 0.1) for uid in (CARD, OTHER, CARD, OTHER)] == [True, True, False, False]


def test_without_a_repeat_time_every_sight_is_an_arrival() -> None:
    presence = Presence(0.0)
    assert presence.arrives(CARD, 1.0)
    assert presence.arrives(CARD, 1.0)


def test_r21_random_uids_in_a_row_are_one_phone() -> None:
    presence = Presence(0.5)
    assert [presence.arrives(uid, 0.1) for uid in ("08A1B2C3", "08A1B2C4", "08010203040506")] == [True, False, True]
    presence.nothing_else(0.7)
    assert presence.arrives("08A1B2C5", 0.8)
