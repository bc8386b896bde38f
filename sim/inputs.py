"""Digital inputs of the site, shown to the controller as value files, as sysfs would."""

from collections.abc import Mapping
from pathlib import Path


class Inputs:
    """Levels by name: active is 1. A broken wire has no file that could be read."""

    def __init__(self, declared: Mapping[str, bool]) -> None:
        self._stop_all = dict(declared)
        self._active = dict.fromkeys(declared, False)
        self._broken: set[str] = set()
        self._folder: Path | None = None

    @property
    def declared(self) -> Mapping[str, bool]:
        """Name to whether it stops all charging."""
        return self._stop_all

    def summary(self) -> dict[str, bool]:
        """What a fail-safe reader makes of them."""
        return {name: active or name in self._broken for name, active in self._active.items()}

    def path(self, name: str) -> Path:
        if self._folder is None:
            raise RuntimeError("the inputs are shown nowhere yet")
        return self._folder / name

    def show_in(self, folder: Path) -> None:
        """Write the files, and again at each change."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for name in self._stop_all:
            self._show(name)

    def set(self, name: str, *, active: bool, broken: bool) -> None:
        self._active[name] = active
        self._broken.discard(name)
        if broken:
            self._broken.add(name)
        if self._folder is not None:
            self._show(name)

    def _show(self, name: str) -> None:
        """Whole at once: nobody ever reads half of it."""
        file = self.path(name)
        if name in self._broken:
            file.unlink(missing_ok=True)
            return
        draft = file.with_name(f".{name}")
        draft.write_text(f"{int(self._active[name])}\n", encoding="ascii")
        draft.replace(file)
