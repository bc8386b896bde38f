"""A look into the store of a site from another process, beside the one that writes it."""

from pathlib import Path

from controller.store import limitlog, settings
from controller.store.database import FILE
from controller.store.medium import T, Work
from controller.store.reader import Reader
from controller.store.rows import LimitEvent

ANSWER_S = 10.0


def stored_variables(folder: Path, csms: str) -> dict[str, str]:
    """The values written so far; none before the first start.

    Raises:
        StoreError: the file cannot be read.
    """
    return _asked(folder, lambda tables: settings.variables(tables, csms), {})


def stored_limit_log(folder: Path, subject: str | None) -> list[LimitEvent]:
    """What was logged of limits, of one or of all; nothing before the first start.

    Raises:
        StoreError: the file cannot be read.
    """
    return _asked(folder, lambda tables: limitlog.read(tables, subject), [])


def _asked(folder: Path, work: Work[T], without: T) -> T:
    if not (folder / FILE).exists():
        return without
    reader = Reader(folder / FILE)
    try:
        return reader.ask(work).result(ANSWER_S)
    finally:
        reader.close().result(ANSWER_S)
