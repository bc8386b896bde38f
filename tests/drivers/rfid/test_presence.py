"""One tap for a card that is held, however often it is seen."""

from drivers.rfid.presence import Presence


def test_a_card_arrives_once_while_it_is_seen_and_again_after_it_was_gone() -> None:
    presence = Presence(0.5)
    seen = [presence.arrives("04A1B2C3", at_s) for at_s in (0.0, 0.3, 0.7, 1.1, 1.7)]
    assert seen == [True, False, False, False, True]


def test_cards_that_lie_there_together_arrive_once_each() -> None:
    presence = Presence(0.5)
    assert [presence.arrives(uid, 0.1) for uid in ("04A1B2C3", "14A1B2C3", "04A1B2C3", "14A1B2C3")] == [
        True,
        True,
        False,
        False,
    ]


def test_without_a_repeat_time_every_sight_is_an_arrival() -> None:
    presence = Presence(0.0)
    assert presence.arrives("04A1B2C3", 1.0)
    assert presence.arrives("04A1B2C3", 1.0)


def test_r21_random_uids_in_a_row_are_one_phone() -> None:
    presence = Presence(0.5)
    assert [presence.arrives(uid, 0.1) for uid in ("08A1B2C3", "08A1B2C4", "08010203040506")] == [True, False, True]
    assert presence.arrives("08A1B2C5", 0.7)
