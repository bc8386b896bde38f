"""Which profiles make sense, what a new one replaces, and what becomes of those of a session."""

from dataclasses import replace
from typing import Any

import pytest

from controller.charging.charging_profiles import (
    MAX_INSTALLED,
    OCPP2,
    OCPP16,
    STATION,
    ChargingProfile,
    Period,
    ProfileKind,
    Purpose,
    RateUnit,
    Refusal,
    Terms,
    fault_of,
)
from controller.charging.instant import Instant
from controller.charging.profile_book import (
    Book,
    Change,
    Criteria,
    EvseFacts,
    Installed,
    install,
    settle,
    start_key,
)
from controller.charging.records import ChargingState, StopReason, Trigger
from controller.charging.session import (
    Authorising,
    EvseState,
    Idle,
    Payer,
    Phase,
    Running,
    Starting,
    Stopping,
    Transaction,
    Waiting,
)
from controller.charging.tokens import BilledBy, Token
from tests.charging.profiles import DAILY, NOON, default, of_transaction, profile, station

FACTS = {"A1": EvseFacts(3, None, "t-1"), "A2": EvseFacts(1, 2, None)}
SOUND = default(1, (0, 6), (60, 10)).profile


def reason(found: Change | Refusal | None) -> str:
    return found.reason if isinstance(found, Refusal) else "" if found is None else "accepted"


def with_periods(*periods: Period, **changes: Any) -> ChargingProfile:
    return replace(SOUND, schedule=replace(SOUND.schedule, periods=periods, **changes))


@pytest.mark.parametrize(
    ("faulty", "why"),
    [
        (SOUND, ""),
        (replace(SOUND, purpose=Purpose.EXTERNAL), "InvalidProfile"),
        (profile(1, Purpose.STATION_MAX, (0, 6), start=None), "InvalidProfile"),
        (replace(SOUND, transaction="t-1"), "InvalidProfile"),
        (replace(SOUND, stack_level=10), "InvalidStackLevel"),
        (replace(SOUND, stack_level=-1), "InvalidStackLevel"),
        (default(1, (0, 6), valid_from=60, valid_to=60).profile, "InvalidProfile"),
        (replace(SOUND, kind=ProfileKind.RECURRING), "InvalidProfile"),
        (replace(SOUND, kind=ProfileKind.RELATIVE), "InvalidSchedule"),
        (replace(SOUND, schedule=replace(SOUND.schedule, start=None)), "InvalidSchedule"),
        (with_periods(*SOUND.schedule.periods, duration_s=0), "InvalidSchedule"),
        (with_periods(), "InvalidSchedule"),
        (with_periods(*(Period(second, 6000) for second in range(301))), "InvalidSchedule"),
        (with_periods(*(Period(second, 6000) for second in range(300))), ""),
        (with_periods(Period(1, 6000)), "InvalidSchedule"),
        (with_periods(Period(0, 6000), Period(0, 7000)), "InvalidSchedule"),
        (with_periods(Period(0, 6000), Period(60, 7000), Period(30, 7000)), "InvalidSchedule"),
        (with_periods(Period(0, -1)), "InvalidSchedule"),
        (with_periods(Period(0, 10**12 + 1)), "InvalidSchedule"),
        (with_periods(Period(0, 0)), ""),
        (with_periods(Period(0, 6000), min_rate_milli=-1), "InvalidSchedule"),
        (with_periods(Period(0, 6000, phases=4)), "InvalidSchedule"),
        (with_periods(Period(0, 6000, phases=3, phase_to_use=1)), "InvalidSchedule"),
        (with_periods(Period(0, 6000, phases=1, phase_to_use=4)), "InvalidSchedule"),
    ],
)
def test_a_profile_that_makes_no_sense_is_named_by_its_reason(faulty: ChargingProfile, why: str) -> None:
    assert reason(fault_of(faulty)) == why


def book_with(*several: Installed) -> Book:
    return Book(several)


def ids(book: Book) -> list[int]:
    return [one.profile.id for one in book.installed]


def after(book: Book, new: Installed, terms: Terms) -> list[int]:
    change = install(book, new, terms, FACTS)
    assert isinstance(change, Change), change
    return ids(change.of(book))


@pytest.mark.parametrize("terms", [OCPP16, OCPP2])
def test_k01_fr_05_a_profile_of_the_same_id_is_replaced_wherever_it_is(terms: Terms) -> None:
    assert after(book_with(default(7, (0, 6), evse="A2"), station(8, (0, 9))), default(7, (0, 8)), terms) == [8, 7]


def test_1_6_section_5_16_the_same_purpose_and_level_replaces() -> None:
    old = book_with(default(1, (0, 6)), default(2, (0, 6), level=1), station(3, (0, 9)))
    assert after(old, default(9, (0, 8)), OCPP16) == [2, 3, 9]


def test_1_6_section_3_13_1_a_default_of_one_connector_stands_beside_that_of_all() -> None:
    assert after(book_with(default(1, (0, 6))), default(2, (0, 8), evse="A1"), OCPP16) == [1, 2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (default(1, (0, 6)), default(2, (0, 8))),
        (station(1, (0, 6)), station(2, (0, 8))),
        (default(1, (0, 6), evse="A1"), default(2, (0, 8))),
        (default(1, (0, 6)), default(2, (0, 8), evse="A1")),
        (default(1, (0, 6), valid_to=60), default(2, (0, 8), evse="A1", valid_from=60)),
        (of_transaction(1, (0, 6)), of_transaction(2, (0, 8))),
    ],
    ids=["default", "station", "K01.FR.52", "K01.FR.53", "K01.FR.53 also at other times", "K01.FR.39"],
)
def test_k01_fr_06_2_x_refuses_what_1_6_would_replace(old: Installed, new: Installed) -> None:
    assert reason(install(book_with(old), new, OCPP2, FACTS)) == "DuplicateProfile"


def test_k01_fr_06_the_same_level_is_free_at_another_time() -> None:
    assert after(book_with(station(1, (0, 6), valid_to=60)), station(2, (0, 8), valid_from=60), OCPP2) == [1, 2]
    overlapping = install(
        book_with(station(1, (0, 6), valid_to=61)), station(2, (0, 8), valid_from=60), OCPP2, FACTS
    )
    assert reason(overlapping) == "DuplicateProfile"


@pytest.mark.parametrize(
    ("new", "terms", "why"),
    [
        (of_transaction(1, (0, 6)), OCPP2, "accepted"),
        (of_transaction(1, (0, 6), transaction=None), OCPP2, "MissingParam"),
        (of_transaction(1, (0, 6), transaction=None), OCPP16, "accepted"),
        (of_transaction(1, (0, 6), transaction="t-9"), OCPP2, "TxNotFound"),
        (replace(of_transaction(1, (0, 6)), evse="A2"), OCPP2, "TxNotFound"),
        (replace(of_transaction(1, (0, 6), transaction=None), evse="A2"), OCPP16, "TxNotFound"),
        (replace(of_transaction(1, (0, 6)), evse=STATION), OCPP2, "InvalidProfile"),
        (replace(station(1, (0, 6)), evse="A1"), OCPP2, "InvalidProfile"),
        (replace(default(1, (0, 6)), evse="A9"), OCPP2, "UnknownEvse"),
        (default(1, (0, 6, 3)), OCPP2, "accepted"),
        (default(1, (0, 6, 1)), OCPP2, "UnsupportedParam"),
        (default(1, (0, 6, 1), evse="A1"), OCPP16, "UnsupportedParam"),
        (default(1, (0, 6, 1), evse="A2"), OCPP2, "accepted"),
        (default(1, (0, 6, 1, 2), evse="A2"), OCPP2, "accepted"),
        (default(1, (0, 6, 1, 1), evse="A2"), OCPP2, "UnsupportedParam"),
    ],
)
def test_k01_what_cannot_be_obeyed_here_is_refused(new: Installed, terms: Terms, why: str) -> None:
    assert reason(install(Book(), new, terms, FACTS)) == why


def test_a_txprofile_of_1_6_without_a_transaction_is_for_the_one_that_runs() -> None:
    change = install(Book(), of_transaction(1, (0, 6), transaction=None), OCPP16, FACTS)
    assert isinstance(change, Change)
    assert [one.profile.transaction for one in change.added] == ["t-1"]


def test_a_full_book_takes_replacements_only() -> None:
    levels = [default(number, (0, 6), valid_from=number, valid_to=number + 1) for number in range(MAX_INSTALLED)]
    full = book_with(*levels)
    assert reason(install(full, station(1000, (0, 6)), OCPP2, FACTS)) == "OutOfStorage"
    assert reason(install(full, station(3, (0, 6)), OCPP2, FACTS)) == "accepted"


def test_k10_fr_04_criteria_are_all_to_be_met() -> None:
    several = book_with(default(1, (0, 6)), default(2, (0, 6), evse="A1", level=1), station(3, (0, 6), level=1))
    assert [one.profile.id for one in several.select(Criteria())] == [1, 2, 3]
    assert [one.profile.id for one in several.select(Criteria(evse=STATION))] == [1, 3]
    assert [one.profile.id for one in several.select(Criteria(stack_level=1))] == [2, 3]
    assert [one.profile.id for one in several.select(Criteria(purpose=Purpose.TX_DEFAULT, stack_level=1))] == [2]
    assert [one.profile.id for one in several.select(Criteria(ids=(3, 9)))] == [3]


# what becomes of the profile of a session

PAYER = Payer(Token("CARD", "CARD"), Trigger.REMOTE_START, 7)
STRANGER = Payer(Token("CARD", "CARD"), Trigger.REMOTE_START, 8)
NOW = Instant("boot", 0.0, NOON, trusted=True)


def running(transaction: str, payer: Payer = PAYER) -> Transaction:
    return Transaction(transaction, payer, BilledBy.CSMS, 1, NOW, 0, 0, NOW, NOW, NOW, ChargingState.CHARGING)


def brought(payer: Payer = PAYER) -> Installed:
    return Installed("A1", of_transaction(5, (0, 6), transaction=None).profile, start_key(payer))


@pytest.mark.parametrize(
    ("phase", "kept"),
    [
        (Idle(), []),
        (Authorising(PAYER, NOW), [(None, True)]),
        (Waiting(PAYER, NOW), [(None, True)]),
        (Starting(PAYER, NOW), [(None, True)]),
        (Waiting(STRANGER, NOW), []),
        (Running(running("t-1")), [("t-1", False)]),
        (Running(running("t-2", STRANGER)), []),
        (Stopping(running("t-1"), StopReason.LOCAL, Trigger.STOP_AUTHORIZED, NOW), [("t-1", False)]),
    ],
)
def test_k05_the_profile_of_a_start_follows_its_session(phase: Phase, kept: list[tuple[str | None, bool]]) -> None:
    book = book_with(brought(), default(1, (0, 6), evse="A1"))
    left = settle(book, EvseState("A1", phase), attaching=False).of(book)
    assert [(one.profile.transaction, bool(one.start)) for one in left.select(Criteria(ids=(5,)))] == kept
    assert left.select(Criteria(ids=(1,))), "defaults stay"


def test_k05_a_profile_waits_for_the_session_that_its_start_is_about_to_make() -> None:
    book = book_with(brought())
    assert not settle(book, EvseState("A1"), attaching=True)
    assert not settle(book, EvseState("A2"), attaching=False), "another EVSE means nothing"


@pytest.mark.parametrize(
    ("phase", "stays"),
    [
        (Running(running("t-1")), True),
        (Stopping(running("t-1"), StopReason.LOCAL, Trigger.STOP_AUTHORIZED, NOW), True),
        (Idle(), False),
        (Running(running("t-2")), False),
        (Starting(PAYER, NOW), False),
    ],
)
def test_1_6_section_3_13_1_a_txprofile_ends_with_its_transaction(phase: Phase, stays: bool) -> None:
    book = book_with(of_transaction(5, (0, 6)))
    assert bool(settle(book, EvseState("A1", phase), attaching=False).of(book).installed) is stays


def test_recurring_needs_no_more_than_its_kind() -> None:
    assert fault_of(default(1, (0, 6), recurrence=DAILY).profile) is None


DC_FACTS = FACTS | {"DC1": EvseFacts(3, None, "t-2", dc=True)}


def test_r9_amperes_for_a_dc_outlet_are_refused_and_watts_are_not() -> None:
    """100 A at the input would be more than 100 A at the outlet, whose voltage nobody but the EV knows."""
    amperes = install(Book(), default(1, (0, 100), evse="DC1"), OCPP2, DC_FACTS)
    assert isinstance(amperes, Refusal)
    assert (amperes.reason, "must be W" in amperes.text) == ("UnsupportedParam", True)
    of_it = replace(of_transaction(2, (0, 100), transaction="t-2"), evse="DC1")
    assert reason(install(Book(), of_it, OCPP2, DC_FACTS)) == "UnsupportedParam"
    watts = default(1, (0, 50_000), evse="DC1", unit=RateUnit.WATT)
    assert reason(install(Book(), watts, OCPP2, DC_FACTS)) == "accepted"


def test_amperes_for_a_whole_station_are_those_of_its_supply() -> None:
    assert reason(install(Book(), station(1, (0, 100)), OCPP2, DC_FACTS)) == "accepted"
    assert reason(install(Book(), default(1, (0, 100)), OCPP2, DC_FACTS)) == "accepted"
    assert reason(install(Book(), default(1, (0, 16), evse="A1"), OCPP2, DC_FACTS)) == "accepted"
