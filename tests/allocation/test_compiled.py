"""The allocation as machine code and as Python are one source; they must be one in every result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.allocation.share_lines import lines
from tests.bench.compiled import ROOT, compiled, missing

INSTANCES = 2500


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_compiled_and_pure_answer_the_same_bit_by_bit(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.allocation.share_lines", str(INSTANCES)],
        cwd=compiled(tmp_path),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    kind, *answers = told.stdout.splitlines()
    pure, *expected = lines(INSTANCES)
    assert (kind, pure) == ("compiled", "pure")
    assert len(expected) > 20_000
    assert (
        next(((ours, theirs) for ours, theirs in zip(answers, expected, strict=True) if ours != theirs), None)
        is None
    )
