"""Reading a TOML table field by field: every problem is noted with its key path, none stops the reading."""

from collections.abc import Mapping, Sequence
from typing import Any

Amps3 = tuple[float, float, float]


class Fields:
    """One table. What is asked for is checked; `finish` complains about keys that nobody asked for."""

    def __init__(self, row: Mapping[str, Any], path: str, problems: list[str]) -> None:
        self._row = row
        self.path = path
        self.problems = problems
        self._asked: set[str] = set()

    def complain(self, key: str, text: str) -> None:
        self.problems.append(f"{self.path}{'.' if self.path and key else ''}{key}: {text}")

    def has(self, key: str) -> bool:
        return key in self._row

    def text(self, key: str, default: str | None = None, *, among: Sequence[str] = ()) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            self.complain(key, "a text is missing")
            return default or ""
        if among and value not in among:
            self.complain(key, f"{value!r} is none of {', '.join(among)}")
        return value

    def maybe_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def number(self, key: str, default: float | None = None, *, low: float = 0.0, high: float = 1e9) -> float:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.complain(key, "a number is missing")
            return default if default is not None else low
        if not low <= value <= high:
            self.complain(key, f"{value} is not within {low:g}..{high:g}")
            return default if default is not None else low
        return value

    def maybe_number(self, key: str, *, low: float = 0.0, high: float = 1e9) -> float | None:
        return self.number(key, low=low, high=high) if self.has(key) else None

    def integer(self, key: str, default: int | None = None, *, low: int = 0, high: int = 2**31) -> int:
        value = self.number(key, default, low=low, high=high)
        if value != int(value):
            self.complain(key, f"{value} is no whole number")
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.complain(key, "true or false is missing")
            return default
        return value

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.complain(key, "a list of texts is missing")
            return ()
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        value = self._take(key, [])
        given = value if isinstance(value, list) else []
        if not given or not all(type(item) is int and item >= 0 for item in given):
            self.complain(key, "a list of whole numbers is missing")
            return ()
        return tuple(given)

    def amps(self, key: str, default: float | None = None, *, low: float = 0.0) -> Amps3:
        """One number for all phases, or a list of three."""
        value = self._take(key, default)
        given = value if isinstance(value, list) else [value] * 3
        items = [i for i in given if isinstance(i, (int, float)) and not isinstance(i, bool) and i >= low]
        if len(items) != 3 or len(given) != 3:
            self.complain(key, f"a number, or three, of at least {low:g} A is missing")
            return (1.0, 1.0, 1.0)
        return (float(items[0]), float(items[1]), float(items[2]))

    def table(self, key: str) -> Mapping[str, Any]:
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.complain(key, "a table is missing")
            return {}
        return value

    def tables(self, key: str) -> list["Fields"]:
        """The rows of an array of tables."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.complain(key, "an array of tables is missing")
            return []
        where = f"{self.path}.{key}" if self.path else key
        return [Fields(row, f"{where}[{place}]", self.problems) for place, row in enumerate(value)]

    def finish(self) -> None:
        for key in self._row.keys() - self._asked:
            self.complain(key, "unknown key")

    def _take(self, key: str, default: object) -> object:
        self._asked.add(key)
        return self._row.get(key, default)
