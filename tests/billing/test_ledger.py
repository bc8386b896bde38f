"""Every change of the ledger is noticed and named."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.billing.ledger import GENESIS, Break, Damage, Head, Record, canonical, genuine, seal, verify

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def chain(length: int) -> list[Record]:
    head, records = GENESIS, []
    for number in range(length):
        head, record = seal(head, {"energy_wh": number, "card": "Zoë", "t": 1e-07})
        records.append(record)
    return records


def renumbered(records: list[Record]) -> list[Record]:
    return [replace(record, seq=place) for place, record in enumerate(records, 1)]


def test_numbers_start_at_one_and_have_no_gaps_and_each_record_names_the_one_before() -> None:
    records = chain(3)
    assert [record.seq for record in records] == [1, 2, 3]
    assert [record.prev for record in records] == ["0" * 64, records[0].hash, records[1].hash]
    assert verify(records) is None
    assert verify(records, records[-1].head) is None
    assert verify([]) is None


def test_anybody_can_recompute_a_hash_from_the_documented_text() -> None:
    head, record = seal(Head(41, "ab" * 32), {"b": 1, "a": [None, True, 1.5]})
    whole = canonical({"payload": {"b": 1, "a": [None, True, 1.5]}, "prev": "ab" * 32, "seq": 42})
    assert whole == '{"payload":{"a":[null,true,1.5],"b":1},"prev":"' + "ab" * 32 + '","seq":42}'
    # sha256sum of that text
    assert record.hash == "b983e973f452f376a36837ed37ceeeb1cc08c36c7f5c8350c445e20a83d5030b"
    assert head == record.head


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5))
def test_any_payload_is_sealed_and_read_back_unchanged(payloads: list[dict[str, object]]) -> None:
    head, records = GENESIS, []
    for payload in payloads:
        head, record = seal(head, payload)
        records.append(record)
    assert verify(records, head) is None
    assert [json.loads(record.body) for record in records] == payloads


def test_a_payload_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        seal(GENESIS, {"power_w": float("nan")})


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_a_flip_in_any_byte_of_any_field_is_named(bit: int) -> None:
    records = chain(3)
    victim = records[1]
    for field in ("prev", "hash", "body"):
        text = getattr(victim, field)
        for place in range(len(text)):
            flipped = text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :]
            found = verify([records[0], replace(victim, **{field: flipped}), records[2]])
            assert found is not None, (field, place)
            assert (found.damage, found.seq) == (Damage.CHANGED, 2)


TAMPER: dict[str, tuple[Callable[[list[Record]], list[Record]], Damage, int]] = {
    "another energy": (
        lambda r: [*r[:3], replace(r[3], body=r[3].body.replace('"energy_wh":3', '"energy_wh":2')), *r[4:]],
        Damage.CHANGED,
        4,
    ),
    "same value written otherwise": (
        lambda r: [*r[:3], replace(r[3], body=r[3].body.replace("1e-07", "1E-07")), *r[4:]],
        Damage.CHANGED,
        4,
    ),
    "sealed anew, successors as they were": (
        lambda r: [*r[:3], seal(r[2].head, {"energy_wh": 0})[1], *r[4:]],
        Damage.CHANGED,
        5,
    ),
    "number changed": (lambda r: [*r[:3], replace(r[3], seq=40), *r[4:]], Damage.MISSING, 4),
    "first missing": (lambda r: r[1:], Damage.MISSING, 1),
    "one missing": (lambda r: [*r[:3], *r[4:]], Damage.MISSING, 4),
    "two missing": (lambda r: [*r[:3], *r[5:]], Damage.MISSING, 4),
    "one missing, the rest renumbered": (lambda r: renumbered([*r[:3], *r[4:]]), Damage.MISSING, 4),
    "two swapped": (lambda r: [*r[:3], r[4], r[3], *r[5:]], Damage.REORDERED, 4),
    "two swapped and renumbered": (lambda r: renumbered([*r[:3], r[4], r[3], *r[5:]]), Damage.REORDERED, 4),
    "one moved to the end": (lambda r: renumbered([*r[:3], *r[4:], r[3]]), Damage.REORDERED, 4),
    "one twice": (lambda r: [*r[:3], r[2], *r[3:]], Damage.REORDERED, 4),
    "last two cut off": (lambda r: r[:-2], Damage.TRUNCATED, 7),
    "all cut off": (lambda r: r[:0], Damage.TRUNCATED, 1),
    "last one sealed anew": (lambda r: [*r[:-1], seal(r[-2].head, {"energy_wh": 0})[1]], Damage.CHANGED, 8),
    "more than the head knows": (lambda r: [*r, seal(r[-1].head, {"energy_wh": 0})[1]], Damage.CHANGED, 9),
}


@pytest.mark.parametrize("name", TAMPER)
def test_tampering_is_found_and_its_place_and_kind_named(name: str) -> None:
    tamper, damage, place = TAMPER[name]
    records = chain(8)
    found = verify(tamper(records), records[-1].head)
    assert found is not None
    assert (found.damage, found.seq) == (damage, place), found


def test_a_cut_off_tail_shows_only_against_a_known_head() -> None:
    records = chain(8)
    assert verify(records[:6]) is None
    assert verify(records[:6], records[-1].head) == Break(
        Damage.TRUNCATED, 7, "the chain ends at record 6, it was known to reach 8"
    )


def test_a_chain_can_be_verified_in_pieces() -> None:
    records = chain(8)
    assert verify(records[:4]) is None
    assert verify(records[4:], records[-1].head, after=records[3].head) is None
    found = verify(records[5:], after=records[3].head)
    assert found is not None
    assert (found.damage, found.seq) == (Damage.MISSING, 5)


def test_a_record_that_is_no_text_at_all_is_changed_and_nothing_crashes() -> None:
    record = replace(chain(1)[0], body=b'{"\xff":1}'.decode(errors="surrogateescape"))
    assert not genuine(record)
    found = verify([record])
    assert found is not None
    assert found.damage is Damage.CHANGED
