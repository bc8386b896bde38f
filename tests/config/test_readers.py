"""Readers of the site: what a kind of reader does not have cannot be set."""

from tests.config.conftest import Desk


def test_a_reader_that_plays_a_keyboard_has_a_device_for_a_port_and_no_baud_rate(desk: Desk) -> None:
    keyboard = ('profile = "rdm6300"', 'profile = "keyboard"')
    assert desk.problems(keyboard) == []
    assert desk.problems(('profile = "rdm6300"', 'profile = "keyboard"\nbaud = 9600')) == [
        "readers[door].baud: 'keyboard' has no serial line; remove the key"
    ]
    assert desk.problems(('profile = "rdm6300"', 'profile = "pn532"\nbaud = 9600')) == []
