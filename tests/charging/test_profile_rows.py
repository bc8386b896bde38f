"""Installed profiles as rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.charging.charging_profiles import fault_of
from controller.charging.profile_book import Installed
from controller.charging.profile_rows import profile_from_text, profile_to_text
from controller.charging.rows import RowError
from tests.charging.profiles import DAILY, default, of_transaction
from tests.charging.test_composite import profiles

FULL = default(
    1, (0, 6.1, 1, 2), (60, 10), evse="A2", recurrence=DAILY, duration_s=100, valid_from=1.5, valid_to=60, id=4,
    min_rate_milli=1500,
)  # fmt: skip


@given(st.integers(-5, 2**31).flatmap(profiles))
def test_what_was_written_is_read_back(one: Installed) -> None:
    if fault_of(one.profile) is None:
        assert profile_from_text(profile_to_text(one)) == one


@pytest.mark.parametrize(
    "one", [FULL, Installed("A1", of_transaction(2, (0, 6), transaction=None).profile, "7:CARD")]
)
def test_every_field_survives(one: Installed) -> None:
    assert profile_from_text(profile_to_text(one)) == one


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(profile_to_text(FULL)) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        changed(version=2),
        changed(version=None),
        changed(purpose="Nonsense"),
        changed(id="1"),
        changed(stack_level=True),
        changed(valid_from="2026-11-23T12:00:00"),
        changed(valid_from="soon"),
        changed(valid_to=5),
        changed(schedule=[]),
        changed(schedule={}),
        changed(stack_level=99),
        json.dumps({}),
    ],
)
def test_a_damaged_row_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(RowError, match="charging profile"):
        profile_from_text(text)
