from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path)
    await opened.open()
    yield opened
    await opened.close()
