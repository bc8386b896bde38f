"""Entries are stored as versioned JSON and come back as they were."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.billing.encode import EntryError, from_row, kind_of, to_row
from controller.billing.ledger import canonical
from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.tokens import BilledBy, Token
from drivers.api import Phases

whole = st.integers(-(2**62), 2**62)
instants = st.builds(
    Instant,
    boot=st.text(),
    mono_s=st.floats(allow_nan=False, allow_infinity=False),
    wall=st.datetimes(timezones=st.just(UTC)),
    trusted=st.booleans(),
)
tokens = st.builds(
    Token,
    uid=st.text(),
    shown=st.text(),
    kind=st.text(),
    group=st.none() | st.text(),
    min_ma=st.none() | whole,
    billed_by=st.none() | st.sampled_from(BilledBy),
)
meters = st.builds(
    MeterValue,
    context=st.sampled_from(SampleContext),
    energy_wh=whole,
    power_w=st.none() | whole,
    current_ma=st.none() | st.builds(Phases, whole, whole, whole),
    offered_ma=st.none() | whole,
    offered_w=st.none() | whole,
    soc_percent=st.none() | whole,
)
frame = {
    "transaction": st.text(),
    "seq": whole,
    "evse": st.text(),
    "at": instants,
    "trigger": st.sampled_from(Trigger),
    "state": st.sampled_from(ChargingState),
}
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(
        TransactionStarted,
        **frame,
        token=tokens,
        billed_by=st.sampled_from(BilledBy),
        meter=meters,
        remote_start_id=st.none() | whole,
    ),
    st.builds(TransactionUpdated, **frame, meter=st.none() | meters),
    st.builds(
        TransactionEnded,
        **frame,
        reason=st.sampled_from(StopReason),
        meter=meters,
        token=st.none() | tokens,
        estimated=st.booleans(),
    ),
)

ENDED = TransactionEnded(
    transaction="t-1",
    seq=2,
    evse="A1",
    at=Instant("boot", 12.5, datetime(2026, 11, 23, 12, 0, tzinfo=UTC), trusted=True),
    trigger=Trigger.STOP_AUTHORIZED,
    state=ChargingState.EV_CONNECTED,
    reason=StopReason.LOCAL,
    meter=MeterValue(SampleContext.END, 1234, 0, Phases(0, 0, 0), 6000),
    token=Token("04A1B2C3", "04A1B2C3"),
)


@given(entries)
def test_any_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert from_row(json.loads(canonical(to_row(entry)))) == entry


def test_the_stored_form_of_version_1_is_pinned() -> None:
    assert canonical(to_row(ENDED)) == (
        '{"at":{"boot":"boot","mono_s":12.5,"trusted":true,"wall":"2026-11-23T12:00:00+00:00"},"estimated":false,'
        '"evse":"A1","kind":"ended","meter":{"context":"Transaction.End","current_ma":[0,0,0],"energy_wh":1234,'
        '"offered_ma":6000,"power_w":0},"reason":"Local","seq":2,"state":"EVConnected","token":{"billed_by":null,'
        '"group":null,"kind":"ISO14443","min_ma":null,"shown":"04A1B2C3","uid":"04A1B2C3"},"transaction":"t-1",'
        '"trigger":"StopAuthorized","v":1}'
    )
    assert kind_of(ENDED) == "ended"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"v": 2}, "version 2; this release reads version 1"),
        ({"v": None}, "version None"),
        ({"v": True}, "version True"),
        ({"kind": "paused"}, "unknown kind 'paused'"),
        ({"kind": ["ended"]}, "unknown kind"),
        ({"seq": "2"}, "seq is not a whole number"),
        ({"seq": 2.0}, "seq is not a whole number"),
        ({"transaction": 7}, "transaction is not a text"),
        ({"trigger": "Whim"}, "Whim"),
        ({"trigger": []}, "not a valid Trigger"),
        ({"meter": None}, "meter is not an object"),
        ({"meter": {"context": "Transaction.End"}}, "without 'energy_wh'"),
        ({"token": "04A1B2C3"}, "token is not an object"),
        ({"estimated": 0}, "estimated is neither true nor false"),
        ({"at": {"boot": "b", "mono_s": 1, "wall": "noon", "trusted": True}}, "noon"),
        ({"at": {"boot": "b", "mono_s": 1, "wall": "2026-11-23T12:00:00Z", "trusted": "no"}}, "trusted"),
    ],
)
def test_what_cannot_be_read_is_a_specific_error(change: dict[str, object], says: str) -> None:
    with pytest.raises(EntryError, match=says):
        from_row(to_row(ENDED) | change)


@pytest.mark.parametrize("key", sorted(to_row(ENDED)))
def test_a_missing_field_is_named(key: str) -> None:
    row = to_row(ENDED)
    del row[key]
    with pytest.raises(EntryError, match=key if key not in {"v", "kind"} else "None"):
        from_row(row)


@pytest.mark.parametrize("currents", [[1, 2], [1, 2, 3, 4], [1, 2, "3"], [1, 2, True], "123", 16000])
def test_currents_that_are_not_three_whole_numbers_are_refused(currents: object) -> None:
    meter = {"context": "Transaction.End", "energy_wh": 1, "power_w": 1, "current_ma": currents, "offered_ma": None}
    with pytest.raises(EntryError, match="three whole numbers"):
        from_row(to_row(ENDED) | {"meter": meter})


@pytest.mark.parametrize("key", ["offered_w", "soc_percent"])
def test_what_only_dc_outlets_have_is_a_whole_number_or_left_out(key: str) -> None:
    meter = {"context": "Transaction.End", "energy_wh": 1, "power_w": 1, "current_ma": None, "offered_ma": None}
    read = from_row(to_row(ENDED) | {"meter": {**meter, key: 7}})
    assert isinstance(read, TransactionEnded)
    assert getattr(read.meter, key) == 7
    assert to_row(read)["meter"] == {**meter, key: 7}
    with pytest.raises(EntryError, match=f"{key} is not a whole number"):
        from_row(to_row(ENDED) | {"meter": {**meter, key: "7"}})
