"""Kills, full and broken disks, damaged files: nothing acknowledged is lost, nothing lost is acknowledged."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import peewee
import pytest

from controller.billing.ledger import Damage
from controller.store import chain, database
from controller.store.database import connect_writer
from controller.store.errors import Kind, StoreError, diagnose
from controller.store.faultpoint import VARIABLE, FaultPoint
from controller.store.medium import Job, Medium
from controller.store.outbox import depth
from controller.store.schema import VERSION
from controller.store.store import Commit, Store
from tests.store.samples import ROUTE, queue, started, updated

ROOT = Path(__file__).parents[2]


def child(folder: Path, count: int) -> list[str]:
    return [sys.executable, "-m", "tests.store.child", str(folder), str(count)]


def run_child(folder: Path, count: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        child(folder, count),
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def durable(output: str) -> int:
    """The highest number that was acknowledged; 0 without one."""
    return max((int(line.split()[1]) for line in output.splitlines() if line.startswith("durable")), default=0)


async def found_after(folder: Path) -> int:
    """What a restarted store holds: the length of a sound ledger with as many rows to send and the newest state."""
    store = Store(folder, {})
    await store.open()
    assert await store.verify() is None
    length = len(await store.ledger(limit=10_000))
    assert (await store.depth(ROUTE)).waiting == length
    states = await store.states()
    assert states == ({"evse:A1": {"number": length - 1}} if length else {})
    await store.close()
    return length


# kills


async def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    process = subprocess.Popen(child(tmp_path, 100_000), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(40):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(10) == -signal.SIGKILL
    acknowledged = max(40, durable(rest))
    assert acknowledged <= await found_after(tmp_path) <= acknowledged + 1


@pytest.mark.parametrize(
    ("at", "acknowledged", "kept"), [("3:before", 2, 2), ("3:after", 2, 3), ("1:before", 0, 0)]
)
async def test_a_process_dies_where_it_is_told_to(tmp_path: Path, at: str, acknowledged: int, kept: int) -> None:
    done = run_child(tmp_path, 10, **{VARIABLE: at})
    assert done.returncode == -signal.SIGKILL
    assert durable(done.stdout) == acknowledged
    assert await found_after(tmp_path) == kept


@pytest.mark.parametrize("text", ["3", "before", "0:before", "-1:after", "3:during", "x:after", "3:before:after"])
def test_a_kill_point_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=VARIABLE):
        FaultPoint({VARIABLE: text})


# disks


async def test_a_full_database_says_so_and_works_again_with_room(store: Store) -> None:
    await store.commit(queue(started()))
    await store._write(lambda tables: tables.database.pragma("max_page_count", 30))
    big = Commit(states={"site": {"text": "x" * 200_000}}, entries=[(updated(1), ROUTE)])
    with pytest.raises(StoreError) as caught:
        await store.commit(big)
    assert caught.value.kind is Kind.FULL
    assert (store.failing, store.last_error) == (True, caught.value)
    assert len(await store.ledger()) == 1
    # the limit was of the connection that has been closed since
    assert await store.commit(big) == (2,)
    assert not store.failing
    assert await store.verify() is None


IN_A_SMALL_DISK = """
mount -t tmpfs -o size=400k none "$1" || exit 77
head -c 120k /dev/zero > "$1/ballast"
exec "$2" -m tests.store.child "$1" 5000
"""


def test_enospc_stops_acknowledgements_and_room_brings_them_back(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    command = [
        unshare,
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        IN_A_SMALL_DISK,
        "sh",
        str(tmp_path),
        sys.executable,
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        lines = iter(process.stdout.readline, "")
        before = next((line for line in lines if line.startswith("failed")), "")
        if not before and process.wait(10) == 77:
            pytest.skip("may not mount here")
        assert before.split() == ["failed", "full"]
        ballast = Path(f"/proc/{process.pid}/root{tmp_path}/ballast")
        ballast.unlink()
        process.stdin.write("\n")
        process.stdin.flush()
        assert next(lines).startswith("durable")
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stdin.close()


async def test_a_file_that_may_not_grow_is_an_error_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    script = f"ulimit -f 300; exec {sys.executable} -m tests.store.child {tmp_path} 5000"
    done = subprocess.Popen(
        ["sh", "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout is not None
    assert done.stdin is not None
    output = []
    for line in iter(done.stdout.readline, ""):
        output.append(line)
        if line.startswith("failed"):
            break
    done.kill()
    done.wait(10)
    done.stdout.close()
    done.stdin.close()
    assert output[-1].split()[1] in {"io", "full"}
    assert await found_after(tmp_path) == durable("".join(output)) > 0


async def test_a_flush_that_fails_is_never_acknowledged_and_its_repetition_is_stored_once(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    state = tmp_path / "state"
    state.mkdir()
    trace = ["-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=6+4"]
    done = subprocess.run(
        [strace, *trace, *child(state, 12)],
        cwd=ROOT,
        input="\n" * 50,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("may not trace here")
    lines = done.stdout.splitlines()
    assert "failed io" in lines
    assert [line for line in lines if line.startswith("durable")] == [f"durable {n}" for n in range(1, 13)]
    assert await found_after(state) == 12


class LyingCommit(peewee.SqliteDatabase):
    """SQLite on a disk whose flush fails: a commit is reported as failed, whether or not it happened."""

    happens = True

    def commit(self) -> None:
        if self.happens:
            super().commit()
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise peewee.OperationalError(error) from error


def connections(*kinds: type[peewee.SqliteDatabase] | None) -> Callable[[Path], peewee.SqliteDatabase]:
    """Opens these one after the other: None does not open at all, afterwards sound ones."""
    waiting = list(kinds)

    def connect(path: Path) -> peewee.SqliteDatabase:
        kind = waiting.pop(0) if waiting else peewee.SqliteDatabase
        if kind is None:
            raise StoreError(Kind.IO, "does not open")
        opened = kind(str(path), pragmas=database._DURABLE, lock_type="IMMEDIATE", autoconnect=False)
        opened.connect()
        return opened

    return connect


class RefusedCommit(LyingCommit):
    happens = False


def make_database(folder: Path) -> None:
    medium = Medium(folder / "ampyard.db", FaultPoint({}))
    medium.open()
    medium.close()


def add(number: int) -> Job:
    prepared = chain.prepare(queue(updated(number)))
    return Job(lambda tables: chain.write(tables, prepared), key=prepared)


@pytest.mark.parametrize("failures", [1, 3])
def test_r25_a_commit_that_failed_and_happened_is_answered_once_when_repeated(
    tmp_path: Path, failures: int
) -> None:
    make_database(tmp_path)
    medium = Medium(tmp_path / "ampyard.db", FaultPoint({}), connections(LyingCommit, *[None] * (failures - 1)))
    for _ in range(failures):
        with pytest.raises(StoreError) as caught:
            medium.commit([add(0), add(1)])
        assert caught.value.kind is Kind.IO
    # somebody else's job comes first, then one of the two that were in doubt
    assert [outcome.value for outcome in medium.commit([add(2)])] == [(3,)]
    assert [outcome.value for outcome in medium.commit([add(1), add(3), add(0)])] == [(2,), (4,), (1,)]
    assert depth(medium.open(), ROUTE).waiting == 4
    medium.close()


def test_a_commit_that_failed_and_did_not_happen_is_done_when_repeated(tmp_path: Path) -> None:
    make_database(tmp_path)
    medium = Medium(tmp_path / "ampyard.db", FaultPoint({}), connections(RefusedCommit))
    with pytest.raises(StoreError):
        medium.commit([add(0)])
    assert depth(medium.open(), ROUTE).waiting == 0
    assert [outcome.value for outcome in medium.commit([add(0)])] == [(1,)]
    assert depth(medium.open(), ROUTE).waiting == 1
    medium.close()


def test_the_true_cause_is_found_behind_peewees_failed_rollback(tmp_path: Path) -> None:
    opened = connect_writer(tmp_path / "x.db")
    opened.pragma("max_page_count", 3)

    def fill() -> None:
        with opened.atomic():
            try:
                for number in range(100):
                    cast(Any, opened).execute_sql(f"CREATE TABLE t{number} (x)")
            except peewee.OperationalError:
                opened.rollback()  # as SQLite does by itself when the disk is full
                raise

    with pytest.raises(peewee.OperationalError, match="cannot rollback") as caught:
        fill()
    opened.close()
    assert diagnose(caught.value).kind is Kind.FULL


# damaged files


AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from tests.store import child
if os.geteuid() == 0:
    os.seteuid(65534)
asyncio.run(child.main(Path(sys.argv[1]), 1))
"""


def test_a_folder_that_may_not_be_written_is_refused(readonly_folder: Path) -> None:
    command = [sys.executable, "-c", AS_NOBODY, str(readonly_folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("failed readonly"), done
    assert list(readonly_folder.iterdir()) == []


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere") as caught:
        await Store(tmp_path / "nowhere").open()
    assert caught.value.kind is Kind.IO


@pytest.fixture
def readonly_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer) / "state"
        folder.mkdir(0o555)
        yield folder
        folder.chmod(0o755)


async def test_a_second_process_in_the_same_folder_is_refused(store: Store, tmp_path: Path) -> None:
    second = Store(tmp_path)
    with pytest.raises(StoreError, match="another process") as caught:
        await second.open()
    assert caught.value.kind is Kind.BUSY
    assert await store.commit(queue(started())) == (1,)


async def filled(folder: Path) -> Path:
    store = Store(folder)
    await store.open()
    await store.commit(Commit(states={"site": {}}, entries=[(updated(n), ROUTE) for n in range(100)]))
    await store.close()
    return folder / "ampyard.db"


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def sql(*statements: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        for trigger in ("ledger_keeps_content", "ledger_keeps_rows", "ledger_has_no_gaps"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return run


DAMAGE: dict[str, tuple[Callable[[Path], None], Kind]] = {
    "not a database": (lambda path: overwrite(path, 0, b"\x55" * 4096), Kind.CORRUPT),
    "a page of noise": (lambda path: overwrite(path, 3 * 4096, b"\xa5" * 4096), Kind.CORRUPT),
    "half of it": (cut, Kind.CORRUPT),
    "the last record gone": (sql("DELETE FROM ledger WHERE seq = 100"), Kind.CORRUPT),
    "the last record changed": (sql("UPDATE ledger SET payload = '{}' WHERE seq = 100"), Kind.CORRUPT),
    "the head gone": (sql("DELETE FROM meta WHERE key = 'head'"), Kind.CORRUPT),
    "the head unreadable": (sql("UPDATE meta SET value = '[' WHERE key = 'head'"), Kind.CORRUPT),
    "the head of another kind": (sql("UPDATE meta SET value = '{}' WHERE key = 'head'"), Kind.CORRUPT),
    "somebody else's database": (sql("PRAGMA application_id = 7"), Kind.CORRUPT),
    "a later release's": (sql(f"PRAGMA user_version = {VERSION + 1}"), Kind.NEWER),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_file_that_is_not_sound_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    damage, kind = DAMAGE[name]
    path = await filled(tmp_path)
    damage(path)
    before = path.read_bytes()
    store = Store(tmp_path)
    with pytest.raises(StoreError) as caught:
        await store.open()
    assert caught.value.kind is kind
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    with pytest.raises(StoreError):
        await store.commit(queue(started()))


@pytest.mark.parametrize(
    ("statement", "damage", "place"),
    [
        ("UPDATE ledger SET payload = replace(payload, '1041', '1042') WHERE seq = 42", Damage.CHANGED, 42),
        ("UPDATE ledger SET payload = CAST(x'7bff7d' AS TEXT) WHERE seq = 42", Damage.CHANGED, 42),
        ("UPDATE ledger SET hash = 'é' WHERE seq = 42", Damage.CHANGED, 42),
        ("UPDATE ledger SET prev = '' WHERE seq = 42", Damage.CHANGED, 42),
        ("DELETE FROM ledger WHERE seq = 42", Damage.MISSING, 42),
        ("DELETE FROM ledger WHERE seq BETWEEN 10 AND 30", Damage.MISSING, 10),
        ("DELETE FROM ledger WHERE seq > 60", Damage.TRUNCATED, 61),
        ("DELETE FROM ledger", Damage.TRUNCATED, 1),
        (
            "UPDATE ledger SET seq = CASE seq WHEN 5 THEN -6 WHEN 6 THEN -5 END WHERE seq IN (5, 6)",
            Damage.MISSING,
            5,
        ),
    ],
)
async def test_tampering_with_a_running_ledger_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, damage: Damage, place: int
) -> None:
    monkeypatch.setattr("controller.store.store.VERIFY_PAGE", 7)
    await filled(tmp_path)
    store = Store(tmp_path)
    await store.open()
    assert await store.verify() is None
    await asyncio.to_thread(sql(statement), tmp_path / "ampyard.db")
    found = await store.verify()
    assert found is not None
    assert (found.damage, found.seq) == (damage, place)
    await store.close()


async def test_an_unreadable_state_is_named(store: Store, tmp_path: Path) -> None:
    await store.commit(Commit(states={"evse:A1": {}}))
    await asyncio.to_thread(sql("UPDATE state SET json = '{' WHERE key = 'evse:A1'"), tmp_path / "ampyard.db")
    with pytest.raises(StoreError, match="state evse:A1") as caught:
        await store.states()
    assert caught.value.kind is Kind.CORRUPT


async def test_an_unreadable_record_in_the_outbox_is_named(store: Store, tmp_path: Path) -> None:
    await store.commit(queue(started()))
    await asyncio.to_thread(sql("UPDATE ledger SET payload = '{\"v\":9}'"), tmp_path / "ampyard.db")
    with pytest.raises(StoreError, match="ledger record 1: entry of version 9") as caught:
        await store.head(ROUTE)
    assert caught.value.kind is Kind.CORRUPT
