"""Readers of the site: what a kind of reader does not have cannot be set."""

import pytest

from controller.config import devices
from tests.config.conftest import Desk


def test_a_reader_that_plays_a_keyboard_has_a_device_for_a_port_and_no_baud_rate(desk: Desk) -> None:
    keyboard = ('profile = "rdm6300"', 'profile = "keyboard"')
    assert desk.problems(keyboard) == []
    assert desk.problems(('profile = "rdm6300"', 'profile = "keyboard"\nbaud = 9600')) == [
        "readers[door].baud: 'keyboard' has no serial line; remove the key"
    ]
    assert desk.problems(('profile = "rdm6300"', 'profile = "pn532"\nbaud = 9600')) == []


def test_a_reader_behind_pcsc_needs_its_library(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ('profile = "rdm6300"', 'profile = "pcsc"')
    monkeypatch.setattr(devices, "find_spec", lambda name: None if name == "smartcard" else name)
    [problem] = desk.problems(chosen)
    assert problem.startswith("readers[door].profile: needs the package pyscard")
    assert "ampyard[pcsc]" in problem
    monkeypatch.setattr(devices, "find_spec", lambda name: name)
    assert desk.problems(chosen) == []
    assert desk.problems(('profile = "rdm6300"', 'profile = "pcsc"\nbaud = 9600')) == [
        "readers[door].baud: 'pcsc' has no serial line; remove the key"
    ]
