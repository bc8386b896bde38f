"""Rules that the session must keep, one by one; the whole table is in golden_step.txt."""

from dataclasses import replace

import pytest

from controller.charging.derive import deadline, permit, wants
from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.rows import state_from_row, state_to_row
from controller.charging.rules import Rules
from controller.charging.session import (
    Authorising,
    AvailabilityAsked,
    DeadlinePassed,
    Event,
    EvseState,
    Idle,
    LateVerdict,
    Payer,
    Plug,
    Plugged,
    Presented,
    RegisterRead,
    Resumed,
    Running,
    SampleTaken,
    Starting,
    StateSeen,
    StopAsked,
    Stopping,
    Unplugged,
    Verdict,
    Waiting,
)
from controller.charging.step import AGAIN, step
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus
from tests.charging.samples import (
    ALICE,
    ALICES_SON,
    LAST_WH,
    MALLORY,
    START_WH,
    STATES,
    at,
    meter,
    payer,
    plug,
    running,
    stopping,
)

RULES = Rules()


def after(state: EvseState, *events: Event, rules: Rules = RULES) -> EvseState:
    return run(state, *events, rules=rules)[0]


def run(state: EvseState, *events: Event, rules: Rules = RULES) -> tuple[EvseState, list[Entry]]:
    entries: list[Entry] = []
    for event in events:
        state, more = step(state, event, rules)
        entries += more
    return state, entries


def back(moment: Instant, *, plugged: bool = True, counter: int | None = None, wh: int | None = None) -> Resumed:
    """What the charger says at the first look after a start."""
    return Resumed(moment, plugged, "plug-2", counter, wh)


def only_end(entries: list[Entry]) -> TransactionEnded:
    (entry,) = entries
    assert isinstance(entry, TransactionEnded)
    return entry


def restarted(state: EvseState) -> EvseState:
    """As it comes back from the store."""
    return state_from_row(state_to_row(state))


# A whole session


def test_a_session_from_plug_to_plug_writes_started_updated_ended() -> None:
    state, entries = run(
        EvseState("A1"),
        Plugged(at(0), "plug-1"),
        Presented(at(5), payer()),
        Verdict(at(6), ALICE, accepted=True),
        RegisterRead(at(8), meter(START_WH), "tx-1"),
        StateSeen(at(20), ChargingState.CHARGING, meter(START_WH)),
        Unplugged(at(600)),
        RegisterRead(at(603), meter(2500), "unused"),
    )
    started, updated, ended = entries
    assert isinstance(started, TransactionStarted)
    assert isinstance(updated, TransactionUpdated)
    assert isinstance(ended, TransactionEnded)
    assert [entry.seq for entry in entries] == [0, 1, 2]
    assert {entry.transaction for entry in entries} == {"tx-1"}
    assert (started.meter.energy_wh, ended.meter.energy_wh) == (START_WH, 2500)
    assert (ended.reason, ended.state, ended.estimated) == (StopReason.EV_DISCONNECTED, ChargingState.IDLE, False)
    assert state == EvseState("A1", rest_wh=2500)


@pytest.mark.parametrize("name", STATES)
def test_energy_flows_only_in_a_running_transaction_that_nobody_refused(name: str) -> None:
    assert permit(STATES[name]) is (name.startswith("Running") and "invalid" not in name)


def test_permit_comes_with_the_started_entry_and_falls_with_the_stop() -> None:
    starting = EvseState("A1", Starting(payer(), at(0)), plug())
    state, entries = step(starting, RegisterRead(at(1), meter(START_WH), "tx-1"), RULES)
    assert permit(state)
    assert isinstance(entries[0], TransactionStarted)
    assert not permit(after(state, StopAsked(at(9), StopReason.REMOTE, Trigger.REMOTE_STOP)))


# Whose authorisation is it


def test_a_card_shown_before_the_car_left_is_not_for_the_next_car() -> None:
    left = after(EvseState("A1", Authorising(payer(), at(0)), plug()), Unplugged(at(1)))
    late = after(left, Verdict(at(2), ALICE, accepted=True), Plugged(at(3), "plug-2"))
    assert isinstance(late.phase, Idle)


@pytest.mark.parametrize("phase", [Authorising(payer(), at(0)), Starting(payer(), at(0))])
def test_a_missed_plug_out_takes_the_card_along(phase: Authorising | Starting) -> None:
    state = after(EvseState("A1", phase, plug()), Plugged(at(5), "plug-2"))
    assert (state.phase, state.plug and state.plug.id, state.message) == (Idle(), "plug-2", AGAIN)


def test_a_card_shown_first_waits_for_the_plug_also_while_it_is_being_checked() -> None:
    state = after(
        EvseState("A1"),
        Presented(at(0), payer()),
        Plugged(at(1), "plug-1"),
        Verdict(at(2), ALICE, accepted=True),
    )
    assert isinstance(state.phase, Starting)


def test_a_car_that_comes_after_the_connection_timeout_does_not_start() -> None:
    waiting = EvseState("A1", Waiting(payer(), at(120)))
    assert isinstance(after(waiting, Plugged(at(119), "plug-1")).phase, Starting)
    assert isinstance(after(waiting, Plugged(at(120), "plug-1")).phase, Idle)


@pytest.mark.parametrize("moment", [at(301), at(30, boot="boot-2")])
def test_a_verdict_that_comes_too_late_or_after_a_reboot_starts_nothing(moment: Instant) -> None:
    authorising = EvseState("A1", Authorising(payer(), at(0)), plug())
    assert isinstance(after(authorising, Verdict(moment, ALICE, accepted=True)).phase, Idle)


@pytest.mark.parametrize("moment", [at(301), at(30, boot="boot-2")])
def test_a_register_that_comes_too_late_or_after_a_reboot_starts_nothing(moment: Instant) -> None:
    starting = EvseState("A1", Starting(payer(), at(0)), plug())
    state, entries = run(starting, RegisterRead(moment, meter(START_WH), "tx-1"))
    assert (state.phase, entries) == (Idle(), [])


@pytest.mark.parametrize("phase", [Authorising(payer(), at(0)), Starting(payer(), at(0))])
def test_an_unfinished_start_is_given_up_at_its_deadline(phase: Authorising | Starting) -> None:
    state = EvseState("A1", phase, plug())
    due = deadline(state, RULES)
    assert due == at(300)
    assert isinstance(after(state, DeadlinePassed(due)).phase, Idle)


def test_a_plug_that_shows_while_the_last_transaction_ends_is_not_called_finished() -> None:
    state = after(
        running(), Unplugged(at(110)), Plugged(at(111), "plug-2"), RegisterRead(at(112), meter(5100), "unused")
    )
    assert state.plug == Plug("plug-2", at(111), at(111), None)


# R17


def test_r17_a_restart_on_the_same_counter_continues_however_long_it_took() -> None:
    state, entries = run(restarted(running(plug(counter=7))), back(at(90_000), counter=7, wh=90_000))
    assert isinstance(state.phase, Running)
    assert state.phase.transaction.id == "tx-1"
    assert entries == []


def test_r17_a_short_restart_with_a_plausible_register_continues() -> None:
    """Without a counter: 22 kW for 120 s is 733 Wh."""
    state = after(restarted(running()), back(at(220), wh=LAST_WH + 733))
    assert isinstance(state.phase, Running)
    assert (state.phase.transaction.last_wh, state.phase.transaction.last_at) == (LAST_WH + 733, at(220))


DOUBTS = {
    "another counter": (plug(counter=7), back(at(110), counter=8, wh=LAST_WH)),
    "too long": (plug(), back(at(100 + RULES.resume_within_s + 1), wh=LAST_WH)),
    "a register that ran backwards": (plug(), back(at(110), wh=LAST_WH - 1)),
    "more energy than the EVSE can deliver": (plug(), back(at(110), wh=LAST_WH + 1000)),
    "no register": (plug(), back(at(110))),
    "a reboot with an untrusted clock": (plug(), back(at(110, boot="boot-2", trusted=False), wh=LAST_WH)),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_r17_without_evidence_of_the_same_plug_in_the_transaction_ends_at_its_last_proof(doubt: str) -> None:
    plugged, event = DOUBTS[doubt]
    state, entries = run(restarted(running(plugged)), event)
    end = only_end(entries)
    assert (end.reason, end.meter.energy_wh, end.estimated) == (StopReason.OTHER, LAST_WH, True)
    assert (state.phase, state.plug and state.plug.id, state.message) == (Idle(), "plug-2", AGAIN)


def test_r17_a_reboot_between_two_trusted_clocks_counts_as_short() -> None:
    state = after(restarted(running()), back(at(160, boot="boot-2"), wh=LAST_WH + 10))
    assert isinstance(state.phase, Running)


def test_r17_a_plug_that_is_gone_after_a_short_restart_ends_with_ev_disconnected_and_the_register() -> None:
    state, entries = run(restarted(running()), back(at(130), plugged=False, wh=LAST_WH + 100))
    assert entries == []
    ended, entries = run(state, RegisterRead(at(132), meter(LAST_WH + 100), "unused"))
    end = only_end(entries)
    assert (end.reason, end.meter.energy_wh, end.estimated) == (StopReason.EV_DISCONNECTED, LAST_WH + 100, False)
    assert ended.plug is None


def test_r17_a_plug_that_is_gone_after_a_long_time_pays_only_what_is_proven() -> None:
    """Somebody else may have charged on the fail-safe current meanwhile."""
    state, entries = run(restarted(running()), back(at(7200), plugged=False, wh=LAST_WH + 9000))
    end = only_end(entries)
    assert (end.reason, end.meter.energy_wh, end.estimated) == (StopReason.EV_DISCONNECTED, LAST_WH, True)
    assert state == EvseState("A1", rest_wh=LAST_WH)


def test_r17_an_ending_that_was_interrupted_for_long_does_not_take_the_next_cars_energy() -> None:
    ending = EvseState("A1", stopping(), plug())
    _, entries = run(restarted(ending), back(at(7200), wh=LAST_WH + 9000))
    assert only_end(entries).meter.energy_wh == LAST_WH


def test_r17_an_ending_that_was_interrupted_shortly_still_waits_for_its_register() -> None:
    ending = restarted(EvseState("A1", stopping(), plug()))
    state, entries = run(ending, back(at(130)))
    assert (state, entries) == (ending, [])


@pytest.mark.parametrize("name", [name for name in STATES if "Running" in name or "Stopping" in name])
@pytest.mark.parametrize("plugged", [True, False])
@pytest.mark.parametrize("seconds", [130, 7200])
def test_r17_a_crash_is_never_called_a_power_loss(name: str, plugged: bool, seconds: int) -> None:
    _, entries = run(
        restarted(STATES[name]),
        back(at(seconds), plugged=plugged, wh=LAST_WH),
        RegisterRead(at(seconds + 2), meter(LAST_WH), "unused"),
    )
    assert all(
        entry.reason is not StopReason.POWER_LOSS for entry in entries if isinstance(entry, TransactionEnded)
    )


def test_r17_nothing_renews_the_proof_before_the_charger_was_seen_again() -> None:
    """Else the clock's own checkpoint at the start would make every down-time look short."""
    before = restarted(running())
    assert deadline(before, RULES) is None
    state = after(
        before,
        DeadlinePassed(at(7200), meter(LAST_WH)),
        StateSeen(at(7201), ChargingState.SUSPENDED_EV, meter(LAST_WH)),
        SampleTaken(at(7202), meter(LAST_WH), Trigger.TRIGGER),
        back(at(7203), wh=LAST_WH),
    )
    assert isinstance(state.phase, Idle)


def test_r17_a_checkpoint_without_a_reading_is_no_proof_but_paces_the_next_one() -> None:
    state = after(running(), DeadlinePassed(at(160)), rules=Rules(sample_interval_s=0))
    assert isinstance(state.phase, Running)
    assert state.phase.transaction.last_at == at(100)
    assert deadline(state, Rules(sample_interval_s=0)) == at(220)


@pytest.mark.parametrize(
    "phase", [Authorising(payer(), at(0)), Starting(payer(), at(0)), Waiting(payer(), at(120))]
)
@pytest.mark.parametrize("moment", [at(600), at(60, boot="boot-2")])
def test_r17_a_start_that_a_long_down_time_interrupted_is_void(
    phase: Authorising | Starting | Waiting, moment: Instant
) -> None:
    plugged = None if isinstance(phase, Waiting) else plug()
    state = after(restarted(EvseState("A1", phase, plugged)), back(moment, wh=LAST_WH))
    assert isinstance(state.phase, Idle)
    assert wants(state) is None


def test_r17_another_car_by_its_counter_does_not_take_over_a_start() -> None:
    state = after(EvseState("A1", Starting(payer(), at(0)), plug(counter=1)), back(at(5), counter=2))
    assert (state.phase, state.plug and state.plug.counter) == (Idle(), 2)


# R18, on the session's side


def test_r18_a_repeated_card_is_not_a_stop() -> None:
    assert after(running(), Presented(at(14), payer())) == running()
    assert isinstance(after(running(), Presented(at(15), payer())).phase, Stopping)


def test_r18_a_remote_start_never_stops_what_runs() -> None:
    again = Presented(at(120), payer(trigger=Trigger.REMOTE_START), checked=True)
    assert after(running(), again) == running()


def test_a_card_of_the_same_group_stops_and_is_named_in_the_end() -> None:
    state = after(running(), Presented(at(120), payer(ALICES_SON)))
    _, entries = run(state, RegisterRead(at(122), meter(5100), "unused"))
    end = only_end(entries)
    assert (end.token, end.reason, end.trigger) == (ALICES_SON, StopReason.LOCAL, Trigger.STOP_AUTHORIZED)


def test_another_card_stops_nothing() -> None:
    state = after(running(), Presented(at(120), payer(MALLORY)))
    assert permit(state)
    assert state.message == "in use by another card"


def test_two_cards_without_a_group_are_not_of_one_group() -> None:
    assert not Token("A", "A", group="").same_payer(Token("B", "B", group=""))
    assert not Token("A", "A").same_payer(Token("B", "B"))


def test_identifiers_are_compared_without_regard_to_case() -> None:
    assert Token("04ab", "04ab").same_payer(Token("04AB", "04AB"))
    assert Token("1", "1", group="fam").same_payer(Token("2", "2", group="FAM"))


# R19, R20


@pytest.mark.parametrize("of_token", [None, *BilledBy])
@pytest.mark.parametrize("of_evse", list(BilledBy))
def test_r19_exactly_one_bills_the_token_before_the_evse(of_token: BilledBy | None, of_evse: BilledBy) -> None:
    token = replace(ALICE, billed_by=of_token)
    starting = EvseState("A1", Starting(payer(token), at(0)), plug())
    read = RegisterRead(at(1), meter(START_WH), "tx-1")
    state, entries = run(starting, read, rules=Rules(billed_by=of_evse))
    assert isinstance(state.phase, Running)
    assert isinstance(entries[0], TransactionStarted)
    assert state.phase.transaction.billed_by is entries[0].billed_by is (of_token or of_evse)


INVALID = LateVerdict(at(120), "tx-1", TokenInfo(ALICE.uid, TokenStatus.INVALID))


@pytest.mark.parametrize("billed_by", [BilledBy.SITE, BilledBy.FREE])
@pytest.mark.parametrize("stop", [True, False])
def test_r20_the_csms_word_does_not_end_what_the_site_bills(billed_by: BilledBy, stop: bool) -> None:
    state = running(billed_by=billed_by)
    assert run(state, INVALID, rules=Rules(stop_on_invalid=stop)) == (state, [])


def test_e05_fr_10_a_refused_token_ends_its_transaction_as_deauthorized() -> None:
    state, _ = run(running(), INVALID)
    assert not permit(state)
    _, entries = run(state, RegisterRead(at(122), meter(5100), "unused"))
    end = only_end(entries)
    assert (end.reason, end.trigger, end.token) == (StopReason.DEAUTHORIZED, Trigger.DEAUTHORIZED, None)


def test_e05_fr_02_where_the_site_goes_on_a_refused_token_only_stops_the_energy_and_says_so_once() -> None:
    state, entries = run(running(), INVALID, INVALID, rules=Rules(stop_on_invalid=False))
    assert isinstance(state.phase, Running)
    assert not permit(state)
    (entry,) = entries
    assert (entry.trigger, entry.state) == (Trigger.CHARGING_STATE_CHANGED, ChargingState.SUSPENDED_EVSE)


def test_a_late_word_on_an_earlier_transaction_changes_nothing() -> None:
    other = LateVerdict(at(120), "tx-0", TokenInfo(ALICE.uid, TokenStatus.BLOCKED))
    assert run(running(), other) == (running(), [])


# Registers


def test_an_end_below_the_begin_is_not_believed() -> None:
    state = EvseState("A1", stopping(), plug())
    _, entries = run(state, RegisterRead(at(120), meter(START_WH - 1), "unused"))
    end = only_end(entries)
    assert (end.meter.energy_wh, end.estimated) == (LAST_WH, True)


def test_an_end_below_a_single_high_sample_is_believed() -> None:
    """The end was read twice at rest, the sample once."""
    state = EvseState("A1", stopping(), plug())
    _, entries = run(state, RegisterRead(at(120), meter(LAST_WH - 1), "unused"))
    assert only_end(entries).meter.energy_wh == LAST_WH - 1


def test_a_charger_that_stays_silent_ends_with_the_last_proof_marked_estimated() -> None:
    state = EvseState("A1", stopping(), plug())
    due = deadline(state, RULES)
    assert due == at(110 + RULES.register_wait_s)
    _, entries = run(state, DeadlinePassed(due))
    end = only_end(entries)
    assert (end.meter.energy_wh, end.estimated) == (LAST_WH, True)


def test_a_sample_that_is_due_without_a_believable_reading_is_left_out() -> None:
    state, entries = run(running(), DeadlinePassed(at(160)))
    assert entries == []
    assert isinstance(state.phase, Running)
    assert state.phase.transaction.sampled == at(160)


def test_a_periodic_sample_is_recorded_when_it_is_due() -> None:
    _, entries = run(running(), DeadlinePassed(at(160), meter(5100)))
    (entry,) = entries
    assert (entry.trigger, entry.seq) == (Trigger.METER_VALUE_PERIODIC, 3)


# Availability


def test_out_of_service_takes_effect_when_the_transaction_has_ended() -> None:
    state = after(running(), AvailabilityAsked(at(110), operative=False))
    assert permit(state)
    assert state.operative
    ended = after(state, Unplugged(at(120)), RegisterRead(at(121), meter(5100), "unused"))
    assert (ended.operative, ended.phase) == (False, Idle())


def test_out_of_service_drops_what_has_not_begun_and_a_late_verdict_starts_nothing() -> None:
    authorising = EvseState("A1", Authorising(payer(), at(0)), plug())
    state = after(authorising, AvailabilityAsked(at(1), operative=False), Verdict(at(2), ALICE, accepted=True))
    assert isinstance(state.phase, Idle)


def test_a_card_at_an_evse_out_of_service_is_told_so_until_it_is_back() -> None:
    state = after(EvseState("A1", operative=False, wanted_operative=False), Presented(at(0), payer()))
    assert (state.phase, state.message) == (Idle(), "out of service")
    assert after(state, AvailabilityAsked(at(1), operative=True)) == EvseState("A1")


def test_a_remote_start_that_needs_no_check_goes_straight_on() -> None:
    remote = Payer(ALICE, Trigger.REMOTE_START, remote_start_id=7)
    state = after(EvseState("A1", plug=plug()), Presented(at(1), remote, checked=True))
    _, entries = run(state, RegisterRead(at(2), meter(START_WH), "tx-1"))
    (entry,) = entries
    assert isinstance(entry, TransactionStarted)
    assert (entry.trigger, entry.remote_start_id) == (Trigger.REMOTE_START, 7)
