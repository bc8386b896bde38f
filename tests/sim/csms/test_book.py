"""The book and the strict checks, from messages written down here."""

from typing import Any

from sim.csms import book, strict
from sim.csms.journal import Content, Journal

LINE = ("CS1", 1)


def journal_of(*calls: tuple[str, dict[str, Any], dict[str, Any] | None]) -> Journal:
    """A journal of (action, payload, result) after an accepted boot; no result = never answered."""
    journal = Journal()
    all_calls = [("BootNotification", {}, {"status": "Accepted"}), *calls]
    for number, (action, payload, result) in enumerate(all_calls):
        journal.write((*LINE, "in"), Content("call", str(number), action, payload))
        if result is not None:
            journal.write((*LINE, "out"), Content("result", str(number), action, result))
    return journal


def judge(version: str, *calls: Any, dedupe: bool = True) -> tuple[dict[str, Any], list[str]]:
    journal = journal_of(*calls)
    report = book.build(journal.messages, version=version, dedupe=dedupe)
    return report.as_data(), strict.violations(journal, report)


def start(number: int, **changes: Any) -> Any:
    payload = {"connectorId": 2, "idTag": "04AA", "meterStart": 1000, "timestamp": "2026-03-01T10:00:00Z"}
    return "StartTransaction", payload | changes, {"transactionId": number}


def stop(number: int, **changes: Any) -> Any:
    payload = {"transactionId": number, "meterStop": 8500, "timestamp": "2026-03-01T12:00:00Z"}
    return "StopTransaction", payload | changes, {}


def meter(number: int | None, at: str, wh: int) -> Any:
    value = {"timestamp": at, "sampledValue": [{"value": str(wh)}]}
    payload = {"connectorId": 2, "meterValue": [value]}
    return "MeterValues", payload if number is None else payload | {"transactionId": number}, {}


def event(seq: int, kind: str = "Updated", **changes: Any) -> Any:
    payload = {
        "eventType": kind,
        "seqNo": seq,
        "timestamp": f"2026-03-01T10:{seq:02}:00Z",
        "triggerReason": "MeterValuePeriodic",
        "transactionInfo": {"transactionId": "t1"},
    }
    return "TransactionEvent", payload | changes, {}


def values(*samples: dict[str, Any]) -> dict[str, Any]:
    return {"meterValue": [{"timestamp": "2026-03-01T10:00:00Z", "sampledValue": list(samples)}]}


def test_a_16_transaction_is_read_from_start_to_stop() -> None:
    data, violations = judge(
        "1.6", start(7), meter(7, "2026-03-01T11:00:00Z", 4000), meter(None, "2026-03-01T09:00:00Z", 1),
        stop(7, reason="EVDisconnected"),
    )  # fmt: skip
    assert data["transactions"] == [
        {
            "key": "CS1/7", "identity": "CS1", "transaction_id": 7, "evse": 2, "connector": 2, "id_token": "04AA",
            "meter_start_wh": 1000, "meter_stop_wh": 8500, "energy_wh": 7500, "started": "2026-03-01T10:00:00Z",
            "ended": "2026-03-01T12:00:00Z", "reason": "EVDisconnected", "complete": True, "events": 3,
            "duplicates": 0, "changed_repeats": 0, "gaps": [], "out_of_order": 0, "orphans": 0,
        }
    ]  # fmt: skip
    assert data["total"]["energy_wh"] == 7500
    assert violations == []


def test_a_running_transaction_is_not_complete_and_has_no_energy_yet() -> None:
    data, _ = judge("1.6", start(7), meter(7, "2026-03-01T11:00:00Z", 4000))
    [entry] = data["transactions"]
    assert (entry["complete"], entry["energy_wh"], entry["ended"], entry["reason"]) == (False, None, None, None)


def test_calls_that_were_not_answered_or_refused_are_not_in_the_book() -> None:
    action, payload, _ = start(7)
    data, _ = judge("1.6", (action, payload, None))
    assert data["transactions"] == []


def test_r25_identical_repeats_are_duplicates_and_others_are_changed() -> None:
    data, violations = judge("1.6", start(7), start(7), stop(7), stop(7), stop(7, meterStop=8501))
    [entry] = data["transactions"]
    assert (entry["duplicates"], entry["changed_repeats"], entry["events"]) == (2, 1, 2)
    assert entry["energy_wh"] == 7500
    assert violations == ["message 11: transaction CS1/7: repeats message 7 with another payload"]


def test_r25_a_naive_csms_makes_a_second_transaction_and_reports_it() -> None:
    data, violations = judge("1.6", start(7), start(8), stop(8), dedupe=False)
    assert [(each["duplicates"], each["complete"]) for each in data["transactions"]] == [(0, False), (1, True)]
    assert data["total"]["duplicates"] == 1
    assert violations == []


def test_r25_a_start_sent_again_with_another_meter_value_or_time_is_a_changed_repeat() -> None:
    for change in ({"meterStart": 1001}, {"timestamp": "2026-03-01T10:00:01Z"}):
        data, violations = judge("1.6", start(7), start(8, **change))
        assert data["total"]["changed_repeats"] == 1
        assert "message 5: transaction CS1/8: its start repeats" in violations[0]


def test_the_next_transaction_of_the_same_token_is_none() -> None:
    again = start(8, meterStart=8500, timestamp="2026-03-01T13:00:00Z")
    data, violations = judge("1.6", start(7), stop(7), again)
    assert data["total"]["changed_repeats"] == 0
    assert violations == []


def test_two_stations_may_start_alike() -> None:
    journal = journal_of(start(7))
    action, payload, result = start(8)
    boot: Any = ("BootNotification", {}, {"status": "Accepted"})
    for name, (what, asked, said) in {"a": boot, "b": (action, payload, result)}.items():
        journal.write(("CS2", 2, "in"), Content("call", name, what, asked))
        journal.write(("CS2", 2, "out"), Content("result", name, what, said))
    report = book.build(journal.messages, version="1.6", dedupe=True)
    assert report.as_data()["total"]["transactions"] == 2
    assert report.as_data()["total"]["duplicates"] == 0
    assert strict.violations(journal, report) == []


def test_16_orphans_are_listed_and_minus_one_is_no_violation() -> None:
    data, violations = judge("1.6", stop(-1), meter(-1, "2026-03-01T10:00:00Z", 5), stop(99))
    assert [(each["n"], each["transaction_id"]) for each in data["orphans"]] == [(3, -1), (5, -1), (7, 99)]
    assert data["total"]["orphans"] == 3
    assert violations == ["message 7: CS1 stopped transaction 99, which is not known"]


def test_transaction_id_0_is_an_id_like_others() -> None:
    data, violations = judge("1.6", start(0), stop(0))
    assert data["transactions"][0]["complete"]
    assert violations == []


def test_time_and_register_of_a_16_transaction_may_not_go_back() -> None:
    _, violations = judge(
        "1.6", start(7), meter(7, "2026-03-01T09:59:59Z", 1), stop(7, meterStop=999, timestamp="yesterday")
    )
    assert violations == [
        "message 5: transaction CS1/7: its time goes back, "
        "from 2026-03-01T10:00:00+00:00 to 2026-03-01T09:59:59+00:00",
        "message 7: transaction CS1/7: 'yesterday' is no time",
        "message 7: transaction CS1/7: its energy register goes back, from 1000 to 999 Wh",
    ]


def test_times_are_compared_as_instants_not_as_texts() -> None:
    _, violations = judge("1.6", start(7), stop(7, timestamp="2026-03-01T11:30:00+01:00"))
    assert violations == []


def test_a_201_transaction_is_read_from_its_events() -> None:
    begin = values({"value": 1.5, "context": "Transaction.Begin", "unitOfMeasure": {"unit": "kWh"}})
    end = values(
        {"value": 77.0, "measurand": "Voltage"},
        {"value": 9.0, "phase": "L1"},
        {"value": 3.25, "context": "Transaction.End", "unitOfMeasure": {"multiplier": 3}},
    )
    info = {"transactionInfo": {"transactionId": "t1", "stoppedReason": "EVDisconnected"}}
    data, violations = judge(
        "2.0.1",
        event(0, "Started", evse={"id": 3, "connectorId": 1}, **begin),
        event(1, idToken={"idToken": "04AA", "type": "ISO14443"}),
        event(2, "Ended", **info, **end),
    )
    [entry] = data["transactions"]
    assert (entry["key"], entry["evse"], entry["connector"], entry["id_token"]) == ("CS1/t1", 3, 1, "04AA")
    assert (entry["meter_start_wh"], entry["meter_stop_wh"], entry["energy_wh"]) == (1500, 3250, 1750)
    assert (entry["reason"], entry["complete"], entry["events"]) == ("EVDisconnected", True, 3)
    assert violations == []


def test_without_begin_and_end_contexts_the_first_and_last_register_count() -> None:
    data, _ = judge(
        "2.0.1", event(0, "Started"), event(1, **values({"value": 10.5})), event(2, **values({"value": 20})),
        event(3, "Ended"),
    )  # fmt: skip
    assert data["transactions"][0]["energy_wh"] == 9.5


def test_registers_of_a_single_phase_and_other_measurands_are_no_totals() -> None:
    other = {"value": 1, "measurand": "Energy.Active.Export.Register"}
    data, _ = judge("2.0.1", event(0, "Started", **values({"value": 3, "phase": "L1"}, other, {"value": 9})))
    assert data["transactions"][0]["meter_start_wh"] == 9


def test_register_values_beyond_belief_are_left_out() -> None:
    for value in ("1e999999", "NaN", "signed data", None):
        sample = {"value": value, "unitOfMeasure": {"unit": "kWh", "multiplier": 99}}
        data, _ = judge("2.0.1", event(0, "Started", **values(sample)))
        assert data["transactions"][0]["meter_start_wh"] is None


def test_gaps_late_events_and_a_wrong_beginning_are_seen() -> None:
    data, violations = judge("2.0.1", event(0, "Started"), event(5), event(3), event(9, "Ended"))
    [entry] = data["transactions"]
    assert (entry["gaps"], entry["out_of_order"], entry["complete"]) == ([[1, 2], [4, 4], [6, 8]], 1, False)
    assert violations[0] == "message 7: transaction CS1/t1: its time goes back, " + (
        "from 2026-03-01T10:05:00+00:00 to 2026-03-01T10:03:00+00:00"
    )
    assert violations[1] == "message 7: transaction CS1/t1: seqNo 3 after a higher one"
    _, violations = judge("2.0.1", event(1, "Started"), event(2, "Ended"))
    assert violations == ["message 3: transaction CS1/t1: began with seqNo 1"]


def test_r25_201_repeats_count_and_stay_in_the_naive_count_of_events() -> None:
    calls = [event(0, "Started"), event(0, "Started"), event(0, "Started", offline=True), event(1, "Ended")]
    data, violations = judge("2.0.1", *calls)
    [entry] = data["transactions"]
    assert (entry["events"], entry["duplicates"], entry["changed_repeats"]) == (2, 1, 1)
    assert violations == ["message 7: transaction CS1/t1: repeats message 3 with another payload"]
    naive, _ = judge("2.0.1", *calls, dedupe=False)
    assert naive["transactions"][0]["events"] == 4


def test_201_events_without_a_start_are_orphans() -> None:
    data, _ = judge("2.0.1", event(4), event(5, "Ended"))
    [entry] = data["transactions"]
    assert (entry["orphans"], entry["complete"], entry["started"]) == (2, False, None)
    assert [each["transaction_id"] for each in data["orphans"]] == ["t1", "t1"]


def test_a_register_that_goes_back_in_201_is_a_violation() -> None:
    _, violations = judge(
        "2.0.1", event(0, "Started", **values({"value": 10})), event(1, "Ended", **values({"value": 9}))
    )
    assert violations == ["message 5: transaction CS1/t1: its energy register goes back, from 10 to 9 Wh"]
