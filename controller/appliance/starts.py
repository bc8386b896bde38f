"""Notices a crash loop: which starts of this process followed no orderly end (R38).

A small file lies in the state folder for as long as the process runs, and is taken away when it ends in order. A
start that finds it follows a crash, or a power cut: then the boot is another one, and it does not count.
"""

import json
import logging
import os
from pathlib import Path

from controller.charging.instant import Instant

_log = logging.getLogger(__name__)

FILE = "starts.json"
CRASHES = 3
WINDOW_S = 300.0
"""A run that lasts longer than this leaves no earlier crash to count."""
RETRY_S = 900.0
"""After so much safe mode, what was set aside is tried again."""
MOST_BYTES = 4096


class Starts:
    """What cannot be read counts as no crash, and what cannot be written is logged: neither stops a site."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def begin(self, now: Instant) -> bool:
        """Note this start before anything else runs; whether it is to be in safe mode."""
        after_crash_s = self._after_crash_s(now)
        row = {"boot": now.boot, "after_crash_s": after_crash_s[-CRASHES:]}
        try:
            self._write(json.dumps(row).encode())
        except OSError as error:
            _log.warning("crashes cannot be counted: %s", error)
        return len(after_crash_s) >= CRASHES

    def ended(self) -> None:
        """The process ends because it was told to."""
        try:
            self._file.unlink(missing_ok=True)
            self._sync_folder()
        except OSError as error:
            _log.warning("the next start will be taken for one after a crash: %s", error)

    def _after_crash_s(self, now: Instant) -> list[float]:
        """When those starts of this boot were that followed a crash within the window; this one is the last."""
        try:
            with self._file.open("rb") as file:
                row = json.loads(file.read(MOST_BYTES))
        except FileNotFoundError:
            return []
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("earlier crashes are not known: %s", error)
            return []
        if not isinstance(row, dict) or row.get("boot") != now.boot:
            return []
        earlier = row.get("after_crash_s")
        seconds = [one for one in earlier if isinstance(one, float)] if isinstance(earlier, list) else []
        return [*(one for one in seconds if 0 <= now.mono_s - one < WINDOW_S), now.mono_s]

    def _write(self, content: bytes) -> None:
        new = self._file.with_suffix(".new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
