"""The tables and how they came to be: one list of statements per schema version, applied in one transaction.

A released version is never edited; a change is a new version, with an old database as a fixture in the tests.
"""

from typing import Any, cast

import peewee

from controller.store.errors import Kind, StoreError

APPLICATION_ID = 0x414D5059
"""Says to everybody that reads the file's header that it is an Ampyard database ("AMPY")."""

_VERSION_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE state (key TEXT PRIMARY KEY, version INTEGER NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY, prev TEXT NOT NULL, hash TEXT NOT NULL, payload TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER ledger_keeps_content BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    # also stops INSERT OR REPLACE, which deletes without firing the trigger above
    """
    CREATE TRIGGER ledger_has_no_gaps BEFORE INSERT ON ledger
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only and has no gaps'); END
    """,
    """
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY REFERENCES ledger(seq), csms TEXT NOT NULL, identity TEXT NOT NULL,
        transaction_key TEXT NOT NULL, evse TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY REFERENCES outbox(seq), csms TEXT NOT NULL, identity TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'acknowledged', 'parked')),
        attempts INTEGER NOT NULL DEFAULT 0, wire TEXT, why TEXT NOT NULL DEFAULT '', remote_id TEXT
    ) STRICT
    """,
    # holds only what is not delivered: small for ever, however long the ledger grows
    """
    CREATE INDEX delivery_open ON delivery(csms, identity, seq) WHERE state <> 'acknowledged'
    """,
    """
    CREATE TABLE remote (
        csms TEXT NOT NULL, identity TEXT NOT NULL, transaction_key TEXT NOT NULL, remote_id TEXT NOT NULL,
        seq INTEGER NOT NULL, PRIMARY KEY (csms, identity, transaction_key)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX remote_by_id ON remote(csms, identity, remote_id, seq)",
    """
    CREATE TABLE token_cache (
        csms TEXT NOT NULL, uid TEXT NOT NULL COLLATE NOCASE, status TEXT NOT NULL, group_id TEXT, expires TEXT,
        last_used TEXT NOT NULL, PRIMARY KEY (csms, uid)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE local_list (
        csms TEXT NOT NULL, uid TEXT NOT NULL COLLATE NOCASE, status TEXT NOT NULL, group_id TEXT, expires TEXT,
        PRIMARY KEY (csms, uid)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE local_list_version (csms TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE variable (
        csms TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (csms, name)
    ) STRICT, WITHOUT ROWID
    """,
    f"PRAGMA application_id = {APPLICATION_ID}",
)

_VERSION_2 = (
    """
    CREATE TABLE limit_log (
        seq INTEGER PRIMARY KEY, boot TEXT NOT NULL, mono_s REAL NOT NULL, wall TEXT NOT NULL,
        trusted INTEGER NOT NULL, subject TEXT NOT NULL, what TEXT NOT NULL, value_ma INTEGER, value_w INTEGER,
        UNIQUE (boot, mono_s, subject, what)
    ) STRICT
    """,
    """
    CREATE TRIGGER limit_log_keeps_content BEFORE UPDATE ON limit_log
    BEGIN SELECT RAISE(ABORT, 'the log of limits is append-only'); END
    """,
    # two years by the newest time that was certain: a clock that is wrong deletes nothing
    """
    CREATE TRIGGER limit_log_keeps_two_years BEFORE DELETE ON limit_log
    WHEN OLD.wall >= coalesce(
        (SELECT strftime('%Y-%m-%dT%H:%M:%S', max(wall), '-731 days') FROM limit_log WHERE trusted = 1), ''
    )
    BEGIN SELECT RAISE(ABORT, 'the log of limits is kept for two years'); END
    """,
)

_VERSION_3 = (
    """
    CREATE TABLE charging_profile (
        seq INTEGER PRIMARY KEY, csms TEXT NOT NULL, identity TEXT NOT NULL, id INTEGER NOT NULL,
        json TEXT NOT NULL, UNIQUE (csms, identity, id)
    ) STRICT
    """,
)

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)
VERSION = len(MIGRATIONS)


def refuse_newer(found: int) -> None:
    """Stop before a database is touched whose tables this release does not know.

    Raises:
        StoreError: NEWER.
    """
    if found > VERSION:
        text = f"the database has schema version {found}, this release knows {VERSION}"
        raise StoreError(Kind.NEWER, f"{text}: install the later release again")


def migrate(database: peewee.SqliteDatabase) -> None:
    """Bring the database to VERSION: all steps or none."""
    found = int(database.pragma("user_version"))
    refuse_newer(found)
    if found == VERSION:
        return
    with database.atomic():
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                cast(Any, database).execute_sql(statement)
        database.pragma("user_version", VERSION)
