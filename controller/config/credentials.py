"""Passwords: from a file that only its owner may read (R35)."""

import stat
from pathlib import Path


def password(key: str, path: Path, problems: list[str]) -> str:
    """What the file holds; empty, with a problem under `key`, where that is no password."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the name
        problems.append(f"{key}: cannot be read: {error}")
        return ""
    if mode & 0o077:
        problems.append(f"{key}: others may read {path} (mode {mode:o}): chmod 600")
    if not found:
        problems.append(f"{key}: {path} is empty")
    return found
