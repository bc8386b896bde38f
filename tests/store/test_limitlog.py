"""The log of limits is append-only and is kept for two years."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.store.database import FILE
from controller.store.peek import stored_limit_log
from controller.store.rows import LimitEvent
from controller.store.store import Store
from tests.store.samples import NOON, moment

DIMMED = LimitEvent(moment(), "grid", "set", value_w=10_920)
LIFTED = LimitEvent(moment(60), "grid", "free")
DAY_S = 86_400.0


async def test_commands_are_read_as_they_came(store: Store, tmp_path: Path) -> None:
    other = LimitEvent(moment(30), "fire", "stopped all")
    await store.log_limits([DIMMED, other])
    await store.log_limits([LIFTED])
    assert await store.limit_log() == [DIMMED, other, LIFTED]
    assert await store.limit_log("grid") == [DIMMED, LIFTED]
    assert stored_limit_log(tmp_path, "fire") == [other], "beside the service that writes it"


async def test_an_event_that_is_put_again_is_there_once(store: Store) -> None:
    await store.log_limits([DIMMED])
    await store.log_limits([DIMMED, LIFTED])
    assert await store.limit_log() == [DIMMED, LIFTED]


async def test_r11_nothing_is_edited_or_deleted_within_two_years(store: Store, tmp_path: Path) -> None:
    await store.log_limits([DIMMED, replace(DIMMED, at=moment(700 * DAY_S))])
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("UPDATE limit_log SET value_w = 0")
    with pytest.raises(sqlite3.IntegrityError, match="two years"):
        other.execute("DELETE FROM limit_log WHERE what = 'set'")
    other.close()
    assert len(await store.limit_log()) == 2


async def test_what_is_older_than_two_years_goes(store: Store) -> None:
    late = replace(DIMMED, at=moment(733 * DAY_S))
    await store.log_limits([DIMMED, LIFTED])
    await store.log_limits([late])
    assert await store.limit_log() == [late]


@pytest.mark.parametrize("seconds", [731 * DAY_S, 731 * DAY_S + 0.5, 732 * DAY_S, 732 * DAY_S + 0.5])
async def test_at_the_edge_of_two_years_the_log_goes_on(store: Store, seconds: float) -> None:
    """What deletes and what forbids it must never disagree: every later commit would fail."""
    early = replace(DIMMED, at=moment(0.3))
    await store.log_limits([early, LIFTED])
    late = replace(DIMMED, at=moment(seconds))
    await store.log_limits([late])
    assert (await store.limit_log())[-1] == late


async def test_a_clock_that_is_not_certain_deletes_nothing(store: Store) -> None:
    wrong = replace(moment(5), wall=NOON + timedelta(days=9000), trusted=False)
    await store.log_limits([DIMMED])
    await store.log_limits([replace(LIFTED, at=wrong)])
    assert len(await store.limit_log()) == 2


def test_before_the_first_start_there_is_no_log(tmp_path: Path) -> None:
    assert stored_limit_log(tmp_path, None) == []
