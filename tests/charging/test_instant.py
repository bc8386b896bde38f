"""Moments across reboots and clocks that nobody vouches for (R26)."""

from datetime import timedelta

import pytest

from controller.charging.instant import Instant, Sync, wire_utc
from tests.charging.samples import NOON, at


def test_within_a_boot_only_the_monotonic_clock_counts() -> None:
    later = Instant("boot-1", at(0).mono_s + 7, NOON - timedelta(days=1), trusted=True)
    assert later.seconds_since(at(0)) == 7
    assert later.proven_seconds_since(at(0)) == 7


def test_across_a_reboot_the_wall_clock_counts_and_never_runs_backwards() -> None:
    assert at(60, boot="boot-2").seconds_since(at(0)) == 60
    assert at(0, boot="boot-2").seconds_since(at(60)) == 0


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True), (False, False)])
def test_r17_across_a_reboot_nothing_is_proven_by_an_untrusted_clock(then: bool, now: bool) -> None:
    assert at(60, boot="boot-2", trusted=now).proven_seconds_since(at(0, trusted=then)) is None
    assert at(60, boot="boot-2").proven_seconds_since(at(0)) == 60


def test_a_moment_comes_back_from_its_row() -> None:
    assert Instant.from_row(at(1.25, trusted=False).to_row()) == at(1.25, trusted=False)


def test_r26_wire_time_is_the_recorded_one_if_it_was_trusted() -> None:
    sync = Sync("boot-1", 0.0, NOON + timedelta(days=9))
    assert wire_utc(at(5), sync) == NOON + timedelta(seconds=5)


def test_r26_wire_time_of_an_untrusted_moment_follows_from_the_sync_of_its_own_boot() -> None:
    sync = Sync("boot-1", at(100).mono_s, NOON + timedelta(days=9))
    assert wire_utc(at(40, trusted=False), sync) == NOON + timedelta(days=9, seconds=-60)
    assert wire_utc(at(40, trusted=False), Sync("boot-0", 0.0, NOON)) == NOON + timedelta(seconds=40)
    assert wire_utc(at(40, trusted=False), None) == NOON + timedelta(seconds=40)
