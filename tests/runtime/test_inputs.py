"""Digital inputs are fail-safe: what cannot be read is active."""

from dataclasses import dataclass

from controller.runtime.inputs import LOST_S, InputBook
from controller.runtime.limit_slices import InputSlice

RELAY = InputSlice("relay", active=1)
FIRE = InputSlice("fire", active=0, stop_all=True)


@dataclass
class Hands:
    """A clock that is set by hand."""

    now_s: float = 1000.0

    def book(self, *slices: InputSlice) -> InputBook:
        made = InputBook(lambda: self.now_s)
        made.change_to(slices)
        return made


def test_the_active_level_is_what_the_installer_says() -> None:
    hands = Hands()
    book = hands.book(RELAY, FIRE)
    for value, relay, fire in ((1, True, False), (0, False, True)):
        book.sensed("relay", value, hands.now_s)
        book.sensed("fire", value, hands.now_s)
        assert (book.active("relay"), book.active("fire")) == (relay, fire)
    assert book.stopped_by() == ("fire",)


def test_r11_an_input_that_cannot_be_read_is_active() -> None:
    hands = Hands()
    book = hands.book(RELAY)
    book.sensed("relay", 0, hands.now_s)
    hands.now_s += LOST_S
    assert not book.active("relay")
    hands.now_s += 0.1
    assert book.active("relay")
    assert list(book.alarms()) == ["input relay cannot be read, so it counts as active"]
    book.sensed("relay", 0, hands.now_s)
    assert not book.active("relay")


def test_r11_a_reading_that_is_no_value_does_not_refresh_an_input() -> None:
    hands = Hands()
    book = hands.book(RELAY)
    book.sensed("relay", 0, hands.now_s)
    hands.now_s += LOST_S + 1
    book.sensed("relay", None, hands.now_s)
    assert book.active("relay")


def test_a_new_input_has_time_for_its_first_reading() -> None:
    hands = Hands()
    book = hands.book(FIRE)
    assert not book.stopped_by(), "a restart of the controller pauses nobody"
    hands.now_s += LOST_S + 0.1
    assert book.stopped_by() == ("fire",)


def test_r36_an_input_that_stays_is_not_read_anew() -> None:
    hands = Hands()
    book = hands.book(RELAY)
    book.sensed("relay", 1, hands.now_s)
    book.change_to([RELAY, FIRE])
    assert book.active("relay")
    assert "fire" in book
    book.change_to([FIRE])
    assert "relay" not in book


def test_an_input_that_nobody_knows_is_active() -> None:
    assert Hands().book().active("removed")


def test_a_register_is_active_at_any_number_but_zero() -> None:
    hands = Hands()
    book = hands.book(RELAY)
    book.sensed("relay", 7, hands.now_s)
    assert book.active("relay")


def test_r11_a_stop_by_an_input_that_was_taken_out_is_still_there_to_be_released() -> None:
    hands = Hands()
    book = hands.book(FIRE)
    book.latched = frozenset({"fire"})
    book.change_to([RELAY])
    assert book.stopped_by() == ("fire",)
    assert [(view.id, view.active, view.latched) for view in book.views()] == [
        ("relay", False, False),
        ("fire", False, True),
    ]
    assert list(book.alarms()) == [
        "input fire has stopped all charging; it is no longer active: release it to charge again"
    ]
