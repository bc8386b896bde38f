"""The way of a row to its CSMS: in order, once, and never lost."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from controller.charging.records import Route
from controller.charging.tokens import TokenInfo, TokenStatus
from controller.store.database import Tables
from controller.store.store import Commit, DeliveryState, Depth, Store
from tests.store.samples import OTHER, ROUTE, moment, queue, started, updated


async def head_seq(store: Store, route: Route = ROUTE, skip: tuple[str, ...] = ()) -> int | None:
    delivery = await store.head(route, skip=skip)
    return None if delivery is None else delivery.seq


async def test_rows_come_in_the_order_of_their_commits_until_acknowledged(store: Store) -> None:
    await store.commit(queue(started(), updated(1)))
    await store.commit(queue(updated(2)))
    for seq in (1, 2, 3):
        assert await head_seq(store) == seq
        assert await head_seq(store) == seq
        await store.acknowledge(seq)
    assert await store.head(ROUTE) is None
    assert await store.depth(ROUTE) == Depth(0, 0, None)


async def test_a_delivery_holds_the_entry_and_when_it_was_queued(store: Store) -> None:
    await store.commit(queue(started()))
    delivery = await store.head(ROUTE)
    assert delivery is not None
    assert (delivery.seq, delivery.transaction, delivery.evse) == (1, "t-1", "A1")
    assert (delivery.entry, delivery.queued) == (started(), moment())
    assert (delivery.state, delivery.attempts, delivery.wire) == (DeliveryState.QUEUED, 0, None)


async def test_each_route_has_an_order_of_its_own(store: Store) -> None:
    await store.commit(
        Commit(entries=[(updated(1), ROUTE), (updated(2), OTHER), (updated(3), ROUTE), (updated(4), OTHER)])
    )
    assert (await head_seq(store), await head_seq(store, OTHER)) == (1, 2)
    await store.acknowledge(2)
    assert (await head_seq(store), await head_seq(store, OTHER)) == (1, 4)
    assert await store.head(Route("another", "CP-7")) is None


async def test_r27_transactions_that_are_to_be_skipped_let_the_others_pass(store: Store) -> None:
    await store.commit(queue(started("t-1"), started("t-2"), updated(1, "t-1"), updated(1, "t-2")))
    assert await head_seq(store, skip=("t-1",)) == 2
    await store.acknowledge(2)
    assert await head_seq(store, skip=("t-1",)) == 4
    assert await head_seq(store, skip=("t-1", "t-2")) is None
    assert await head_seq(store) == 1


async def test_r26_the_payload_of_the_first_send_is_frozen(store: Store, tmp_path: Path) -> None:
    await store.commit(queue(started()))
    await store.freeze(1, '{"timestamp":"12:00"}')
    await store.freeze(1, '{"timestamp":"12:05"}')
    await store.close()
    again = Store(tmp_path)
    await again.open()
    delivery = await again.head(ROUTE)
    assert delivery is not None
    assert (delivery.wire, delivery.state) == ('{"timestamp":"12:00"}', DeliveryState.SENT)
    await again.close()


async def test_attempts_are_counted_across_restarts(store: Store, tmp_path: Path) -> None:
    await store.commit(queue(started()))
    assert [await store.attempted(1), await store.attempted(1)] == [1, 2]
    await store.close()
    again = Store(tmp_path)
    await again.open()
    assert await again.attempted(1) == 3
    await again.close()


async def test_r27_a_parked_row_is_passed_by_and_kept_with_its_reason(store: Store) -> None:
    await store.commit(queue(started(), updated(1)))
    await store.freeze(1, "wire")
    await store.park(1, "FormationViolation: timestamp")
    assert await head_seq(store) == 2
    assert await store.depth(ROUTE) == Depth(waiting=1, parked=1, oldest=moment(1))
    (parked,) = await store.parked(ROUTE)
    assert (parked.seq, parked.why, parked.state) == (1, "FormationViolation: timestamp", DeliveryState.PARKED)


async def test_r27_parked_rows_are_sent_again_by_hand_in_their_old_place_with_the_same_payload(
    store: Store,
) -> None:
    await store.commit(Commit(entries=[(started(), ROUTE), (updated(1), ROUTE), (updated(2), OTHER)]))
    await store.freeze(1, "wire")
    await store.attempted(1)
    for seq in (1, 2, 3):
        await store.park(seq, "refused")
    assert await store.unpark(ROUTE) == 2
    delivery = await store.head(ROUTE)
    assert delivery is not None
    assert (delivery.seq, delivery.state, delivery.wire) == (1, DeliveryState.SENT, "wire")
    assert (delivery.attempts, delivery.why) == (0, "")
    await store.acknowledge(1)
    second = await store.head(ROUTE)
    assert second is not None
    assert (second.seq, second.state) == (2, DeliveryState.QUEUED)
    assert await head_seq(store, OTHER) is None
    assert await store.unpark(ROUTE) == 0


async def test_an_answer_that_comes_after_parking_still_counts_and_parking_never_undoes_one(store: Store) -> None:
    await store.commit(queue(started(), updated(1)))
    await store.park(1, "timeout")
    await store.acknowledge(1)
    assert await store.depth(ROUTE) == Depth(waiting=1, parked=0, oldest=moment(1))
    await store.acknowledge(2)
    await store.park(2, "too late")
    await store.freeze(2, "too late")
    assert await store.depth(ROUTE) == Depth(0, 0, None)


async def test_an_acknowledgement_its_id_and_its_tokens_are_one_commit(store: Store, tmp_path: Path) -> None:
    await store.commit(queue(started()))
    info = TokenInfo("04A1B2C3D4E5F6", TokenStatus.ACCEPTED, "group", moment(3600).wall)
    used = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    await store.acknowledge(1, remote_id="4711", tokens=[info], at=used)
    await store.close()
    again = Store(tmp_path)
    await again.open()
    assert await again.head(ROUTE) is None
    assert await again.remote_id(ROUTE, "t-1") == "4711"
    assert await again.transaction_of(ROUTE, "4711") == "t-1"
    known = await again.lookup("operator", "04A1B2C3D4E5F6")
    assert (known.cached, known.cache_used) == (info, used)
    await again.close()


async def test_a_bad_token_in_an_answer_leaves_the_row_unacknowledged(store: Store) -> None:
    await store.commit(queue(started()))
    naive = moment().wall.replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        await store.acknowledge(1, remote_id="1", tokens=[TokenInfo("AB", TokenStatus.ACCEPTED, expires=naive)])
    assert await head_seq(store) == 1
    assert await store.remote_id(ROUTE, "t-1") is None


async def test_tokens_of_an_answer_without_a_time_were_used_when_the_row_was_queued(store: Store) -> None:
    await store.commit(queue(updated(30)))
    await store.acknowledge(1, tokens=[TokenInfo("AB12", TokenStatus.ACCEPTED)])
    assert (await store.lookup("operator", "AB12")).cache_used == moment(30).wall


async def test_r28_ids_of_a_csms_belong_to_its_route_and_the_newest_use_of_one_counts(store: Store) -> None:
    await store.commit(Commit(entries=[(started("t-1"), ROUTE), (started("t-2"), ROUTE), (started("t-3"), OTHER)]))
    for seq in (1, 2, 3):
        await store.acknowledge(seq, remote_id="5")
    assert await store.transaction_of(ROUTE, "5") == "t-2"
    assert await store.transaction_of(OTHER, "5") == "t-3"
    assert await store.transaction_of(ROUTE, "6") is None
    assert await store.remote_id(ROUTE, "t-1") == "5"
    assert await store.remote_id(OTHER, "t-1") is None


async def test_pending_rows_of_a_transaction_are_those_not_delivered(store: Store) -> None:
    await store.commit(queue(started("t-1"), started("t-2"), updated(1, "t-1"), updated(2, "t-1")))
    await store.acknowledge(1)
    await store.park(3, "refused")
    assert (await store.pending_of("t-1"), await store.pending_of("t-2"), await store.pending_of("t-9")) == (
        2,
        1,
        0,
    )


async def test_a_row_that_does_not_exist_is_an_error_of_its_caller(store: Store) -> None:
    for attempt in (store.freeze(7, "w"), store.attempted(7), store.acknowledge(7), store.park(7, "why")):
        with pytest.raises(LookupError, match="row 7"):
            await attempt
    assert not store.failing


async def test_finding_the_head_uses_the_index_of_open_rows_and_sorts_nothing(store: Store) -> None:
    await store.commit(queue(started()))
    seen: list[str] = []
    await store._read(lambda tables: connection(tables).set_trace_callback(seen.append))
    await store.head(ROUTE, skip=("t-2",))
    await store._read(lambda tables: connection(tables).set_trace_callback(None))
    plan = await store._read(
        lambda tables: [str(row[3]) for row in connection(tables).execute(f"EXPLAIN QUERY PLAN {seen[0]}")]
    )
    assert "USING INDEX delivery_open" in plan[0]
    assert not any("SCAN" in line or "TEMP B-TREE" in line for line in plan), plan


def connection(tables: Tables) -> sqlite3.Connection:
    return cast(sqlite3.Connection, cast(Any, tables.database).connection())


async def test_later_rows_of_a_long_outage_keep_their_times(store: Store) -> None:
    await store.commit(queue(*(updated(n) for n in range(500))))
    for seq in range(1, 101):
        await store.acknowledge(seq)
    depth = await store.depth(ROUTE)
    assert (depth.waiting, depth.oldest) == (400, moment(100))
    assert moment(100).wall - moment().wall == timedelta(seconds=100)
