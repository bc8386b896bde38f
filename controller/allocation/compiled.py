"""Whether the allocation runs as machine code (`setup.py`) or as Python: equal in every result, not in speed."""

from pathlib import Path

from controller.allocation import sharing


def is_compiled() -> bool:
    return Path(sharing.__file__).suffix != ".py"
