"""What one commit makes durable, and what is there after a restart."""

import asyncio
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from controller.billing.encode import from_row
from controller.charging.instant import Sync
from controller.store.database import Tables
from controller.store.errors import Kind, StoreError
from controller.store.store import Commit, Store
from tests.store.samples import NOON, OTHER, ROUTE, queue, started, updated


async def reopened(store: Store, folder: Path) -> Store:
    await store.close()
    again = Store(folder)
    await again.open()
    return again


async def test_states_ledger_and_outbox_are_one_commit_and_survive_a_restart(store: Store, tmp_path: Path) -> None:
    commit = Commit(states={"evse:A1": {"phase": "running", "n": [1, None]}}, entries=[(started(), ROUTE)])
    assert await store.commit(commit) == (1,)
    assert await store.commit(queue(updated(1), updated(2))) == (2, 3)
    again = await reopened(store, tmp_path)
    assert await again.states() == {"evse:A1": {"phase": "running", "n": [1, None]}}
    assert [from_row(record_payload(r.body)) for r in await again.ledger()] == [started(), updated(1), updated(2)]
    assert (await again.depth(ROUTE)).waiting == 3
    assert await again.verify() is None
    await again.close()


def record_payload(body: str) -> dict[str, object]:
    payload: dict[str, object] = json.loads(body)
    return payload


async def test_a_state_is_replaced_and_dropped(store: Store) -> None:
    await store.commit(Commit(states={"site": {"a": 1}, "evse:A1": {"b": 2}}))
    await store.commit(Commit(states={"site": {"a": 3}}, drop_states=["evse:A1", "evse:never"]))
    assert await store.states() == {"site": {"a": 3}}


async def test_an_entry_without_a_route_is_sealed_and_not_queued(store: Store) -> None:
    assert await store.commit(queue(started(), route=None)) == (1,)
    assert await store.head(ROUTE) is None
    assert len(await store.ledger()) == 1


async def test_the_ledger_can_be_read_in_pages(store: Store) -> None:
    await store.commit(queue(*(updated(n) for n in range(5))))
    assert [record.seq for record in await store.ledger(since=1, limit=3)] == [2, 3, 4]
    assert await store.ledger(since=5) == []


@pytest.mark.parametrize("state", [{"x": object()}, {"x": float("nan")}, {"x": b"bytes"}])
async def test_a_state_that_cannot_be_stored_fails_in_its_caller_and_harms_nobody(
    store: Store, state: dict[str, object]
) -> None:
    with pytest.raises((TypeError, ValueError)):
        await store.commit(Commit(states={"evse:A1": state}, entries=[(started(), ROUTE)]))
    assert await store.ledger() == []
    assert not store.failing


async def test_commits_that_wait_together_share_a_transaction_and_keep_their_order(store: Store) -> None:
    before = await transactions(store)
    commits = [store.commit(queue(updated(n))) for n in range(200)]
    seqs = await asyncio.gather(*commits)
    assert list(seqs) == [(n,) for n in range(1, 201)]
    entries = [from_row(record_payload(record.body)) for record in await store.ledger()]
    assert entries == [updated(n) for n in range(200)]
    assert await store.verify() is None
    assert await transactions(store) - before < 50


async def transactions(store: Store) -> int:
    """Commits so far, counted by the fault point that each of them passes."""
    return await asyncio.to_thread(lambda: store._writer._medium._fault._commits)


async def test_one_bad_job_takes_nothing_of_its_group_with_it(store: Store) -> None:
    results = await asyncio.gather(
        store.commit(queue(started())),
        store.freeze(99, "wire"),
        store.remember("operator", [], NOON.replace(tzinfo=None)),
        store.keep_time(NOON.replace(tzinfo=None)),
        store.commit(queue(updated(1))),
        return_exceptions=True,
    )
    assert (results[0], results[4]) == ((1,), (2,))
    assert isinstance(results[1], LookupError)
    assert isinstance(results[3], ValueError)
    assert await store.verify() is None
    assert not store.failing


async def test_a_cancelled_caller_does_not_cancel_its_commit(store: Store) -> None:
    task = asyncio.create_task(store.commit(queue(started())))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.commit(queue(updated(1))) == (2,)


async def test_a_stalled_disk_stalls_its_callers_and_not_the_loop(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.store.store.STALLED_S", 0.05)
    release = threading.Event()
    stalled = asyncio.create_task(store._write(lambda _: release.wait(30)))
    commit = asyncio.create_task(store.commit(queue(started())))
    assert not store.failing
    async with asyncio.timeout(5):
        await until_failing(store)
        assert await store.states() == {}  # readers go on
    assert not commit.done()
    release.set()
    await stalled
    assert await commit == (1,)
    assert not await until_failing(store, looks=1)


async def until_failing(store: Store, looks: int = 1000) -> bool:
    for _ in range(looks):
        if store.failing:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_listeners_hear_of_rows_that_are_durable_and_of_no_others(store: Store) -> None:
    heard: list[str] = []
    forget = store.on_queued(lambda route: heard.append(route.identity))
    await store.commit(
        Commit(entries=[(started(), ROUTE), (updated(1), ROUTE), (updated(2), OTHER), (updated(3), None)])
    )
    await store.commit(Commit(states={"site": {}}))
    assert heard == ["CP-7", "CP-8"]
    await store.unpark(OTHER)
    assert heard == ["CP-7", "CP-8", "CP-8"]
    forget()
    await store.commit(queue(updated(4)))
    assert len(heard) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET payload = '{}' WHERE seq = 2",
        "UPDATE ledger SET hash = prev",
        "DELETE FROM ledger WHERE seq = 3",
        "DELETE FROM ledger",
        "REPLACE INTO ledger SELECT 2, prev, hash, '{}' FROM ledger WHERE seq = 2",
        "INSERT INTO ledger VALUES (7, '', '', '')",
        "DELETE FROM outbox WHERE seq = 1",
    ],
)
async def test_the_database_itself_refuses_to_alter_the_ledger(
    store: Store, tmp_path: Path, statement: str
) -> None:
    await store.commit(queue(updated(1), updated(2), updated(3)))
    before = await store.ledger()
    other = sqlite3.connect(tmp_path / "ampyard.db", isolation_level=None)
    other.execute("PRAGMA foreign_keys = 1")
    try:
        with pytest.raises(sqlite3.IntegrityError):
            other.execute(statement)
    finally:
        other.close()
    assert await store.ledger() == before


def run_sql(statement: str, tables: Tables) -> object:
    return cast(Any, tables.database).execute_sql(statement)


async def test_readers_cannot_write(store: Store) -> None:
    for statement in ("DELETE FROM state", "INSERT INTO meta VALUES ('a', 'b')"):
        with pytest.raises(StoreError) as caught:
            await store._read(partial(run_sql, statement))
        assert caught.value.kind is Kind.READONLY


async def test_the_writer_is_durable_and_careful(store: Store) -> None:
    def pragmas(tables: Tables) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "wal_autocheckpoint", "mmap_size")
        return [tables.database.pragma(name) for name in names]

    # synchronous 2 is FULL: with NORMAL a power cut takes acknowledged commits along
    assert await store._write(pragmas) == ["wal", 2, 1, 5000, 400, 0]


async def test_variables_belong_to_one_csms(store: Store, tmp_path: Path) -> None:
    await store.set_variables("operator", {"AuthCtrlr.Enabled": "true", "A.B": "1"})
    await store.set_variables("operator", {"A.B": "2"})
    await store.set_variables("other", {"A.B": "3"})
    again = await reopened(store, tmp_path)
    assert await again.variables("operator") == {"AuthCtrlr.Enabled": "true", "A.B": "2"}
    assert await again.variables("nobody") == {}
    await again.close()


async def test_r26_syncs_by_boot_and_the_last_known_time_survive(store: Store, tmp_path: Path) -> None:
    assert await store.last_known_time() is None
    await store.add_sync(Sync("boot-1", 12.25, NOON))
    await store.add_sync(Sync("boot-2", 1.0, NOON))
    await store.add_sync(Sync("boot-2", 2.0, NOON + timedelta(days=1)))
    await store.keep_time(datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC))
    again = await reopened(store, tmp_path)
    assert await again.syncs() == {
        "boot-1": Sync("boot-1", 12.25, NOON),
        "boot-2": Sync("boot-2", 2.0, NOON + timedelta(days=1)),
    }
    assert await again.last_known_time() == datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)
    await again.close()


async def test_after_closing_everything_says_closed(store: Store) -> None:
    await store.commit(queue(started()))
    await store.close()
    await store.close()
    for attempt in (store.commit(queue(updated(1))), store.states(), store.head(ROUTE), store.attempted(1)):
        with pytest.raises(StoreError) as caught:
            await attempt
        assert caught.value.kind is Kind.CLOSED


async def test_closing_writes_what_waits_and_leaves_one_whole_file(store: Store, tmp_path: Path) -> None:
    waiting = [asyncio.create_task(store.commit(queue(updated(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert [await task for task in waiting] == [(n,) for n in range(1, 21)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ampyard.db", "ampyard.lock"]
    assert (tmp_path / "ampyard.db").stat().st_mode & 0o077 == 0


async def test_a_bug_in_the_writer_leaves_nobody_waiting_and_shows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_type))
    results = await asyncio.gather(
        store.commit(queue(started())),
        store._write(lambda tables: cast(Any, tables).no_such_table),
        store.commit(queue(updated(1))),
        return_exceptions=True,
    )
    assert [isinstance(result, StoreError) and result.kind is Kind.CLOSED for result in results] == [True] * 3
    with pytest.raises(StoreError):
        await store.commit(queue(updated(2)))
    assert store.failing
    await asyncio.to_thread(store._writer._thread.join, 10)
    assert raised == [AttributeError]
    assert await store.ledger() == []


async def test_closing_on_a_stalled_disk_says_so_in_time_and_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.store.store.CLOSE_WITHIN_S", 0.1)
    release = threading.Event()
    stalled = asyncio.create_task(store._write(lambda _: release.wait(30)))
    commit = asyncio.create_task(store.commit(queue(started())))
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="does not answer") as caught:
        await store.close()
    assert caught.value.kind is Kind.IO
    with pytest.raises(StoreError, match="another process"):
        await Store(tmp_path).open()
    release.set()
    monkeypatch.undo()
    await store.close()
    assert (await stalled, await commit) == (True, (1,))
