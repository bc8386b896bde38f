"""A look into the store of a site from another process, beside the one that writes it."""

from pathlib import Path

from controller.store import settings
from controller.store.database import FILE
from controller.store.reader import Reader

ANSWER_S = 10.0


def stored_variables(folder: Path, csms: str) -> dict[str, str]:
    """The values written so far; none before the first start.

    Raises:
        StoreError: the file cannot be read.
    """
    if not (folder / FILE).exists():
        return {}
    reader = Reader(folder / FILE)
    try:
        return reader.ask(lambda tables: settings.variables(tables, csms)).result(ANSWER_S)
    finally:
        reader.close().result(ANSWER_S)
