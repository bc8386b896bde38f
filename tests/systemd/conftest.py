import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture
def needs_tool() -> Callable[[str], str]:
    """Path of a tool of the system; skips without it, and fails where CI promises to have it."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {name}")
        if path is None:
            pytest.skip(f"needs {name}")
        return path

    return find
