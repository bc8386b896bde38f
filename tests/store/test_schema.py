"""Databases of earlier releases stay readable: `version-N.sql` is one of each, as it was written then."""

import sqlite3
from pathlib import Path
from typing import Any, cast

import pytest

from controller.charging.instant import Sync
from controller.charging.profile_rows import profile_to_text
from controller.charging.tokens import TokenInfo, TokenStatus
from controller.store import schema
from controller.store.database import Tables
from controller.store.errors import Kind, StoreError
from controller.store.rows import LimitEvent
from controller.store.store import DeliveryState, Store
from tests.charging.profiles import default
from tests.store.samples import NOON, ROUTE, moment, queue, started, updated

FIXTURES = Path(__file__).parent / "fixtures"


def restore(version: int, folder: Path) -> None:
    connection = sqlite3.connect(folder / "ampyard.db", isolation_level=None)
    connection.executescript((FIXTURES / f"version-{version}.sql").read_text())
    connection.close()


def layout(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    connection.close()
    return [(kind, name, " ".join((sql or "").split())) for kind, name, sql in found]


def test_there_is_a_fixture_of_every_version() -> None:
    assert [path.name for path in sorted(FIXTURES.glob("*.sql"))] == [
        f"version-{version}.sql" for version in range(1, schema.VERSION + 1)
    ]


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
async def test_a_database_of_any_version_opens_with_all_that_is_in_it(tmp_path: Path, version: int) -> None:
    restore(version, tmp_path)
    store = Store(tmp_path)
    await store.open()
    assert await store.verify() is None
    assert await store.states() == {"evse:A1": {"phase": "running", "version": 1}}
    assert len(await store.ledger()) == 3
    delivery = await store.head(ROUTE)
    assert delivery is not None
    assert (delivery.seq, delivery.entry, delivery.state) == (2, updated(1), DeliveryState.SENT)
    assert (delivery.wire, delivery.attempts) == ('{"seqNo":1}', 1)
    assert [(row.seq, row.why) for row in await store.parked(ROUTE)] == [(3, "FormationViolation")]
    assert await store.remote_id(ROUTE, "t-1") == "4711"
    info = TokenInfo("04A1B2C3D4E5F6", TokenStatus.ACCEPTED, "group")
    known = await store.lookup("operator", "04A1B2C3D4E5F6")
    assert (known.listed, known.cached, known.cache_used) == (info, info, NOON)
    assert await store.list_version("operator") == 5
    assert await store.variables("operator") == {"AuthCtrlr.Enabled": "true"}
    assert await store.syncs() == {"boot-1": Sync("boot-1", 100.0, NOON)}
    assert await store.last_known_time() == NOON
    dimmed = LimitEvent(moment(), "grid", "set", value_w=4200)
    assert await store.limit_log() == ([dimmed] if version >= 2 else [])
    profiles = {ROUTE: [profile_to_text(default(7, (0, 6), (60, 10.5, 3), evse="A1"))]}
    assert await store.charging_profiles() == (profiles if version >= 3 else {})
    assert await store.commit(queue(updated(3))) == (4,)
    await store.close()


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
async def test_a_migrated_database_has_the_layout_of_a_new_one(tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    restore(version, old)
    for folder in (old, new):
        store = Store(folder)
        await store.open()
        await store.close()
    assert layout(old / "ampyard.db") == layout(new / "ampyard.db")


async def test_a_failing_migration_leaves_the_database_at_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(1, tmp_path)
    before = layout(tmp_path / "ampyard.db")
    broken = ("CREATE TABLE extra (x TEXT) STRICT", "ALTER TABLE nowhere ADD COLUMN y TEXT")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="nowhere"):
        await store.open()
    assert layout(tmp_path / "ampyard.db") == before
    monkeypatch.undo()
    store = Store(tmp_path)
    await store.open()
    assert len(await store.ledger()) == 3
    await store.close()


async def test_a_later_migration_is_applied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore(1, tmp_path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE extra (x TEXT) STRICT",)))
    known = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", known + 1)
    for _ in range(2):
        store = Store(tmp_path)
        await store.open()
        assert await store._read(user_version) == known + 1
        assert len(await store.ledger()) == 3
        await store.close()
    monkeypatch.undo()
    with pytest.raises(StoreError, match=f"schema version {known + 1}, this release knows {known}") as caught:
        await Store(tmp_path).open()
    assert caught.value.kind is Kind.NEWER


def user_version(tables: Tables) -> int:
    return int(cast(Any, tables.database).pragma("user_version"))


@pytest.mark.parametrize("content", ["nothing", "header"])
async def test_a_first_start_that_a_power_cut_interrupted_starts_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ampyard.db"
    path.touch()
    if content == "header":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = wal")
        connection.close()
    store = Store(tmp_path)
    await store.open()
    assert await store.commit(queue(started())) == (1,)
    await store.close()
