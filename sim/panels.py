"""Somebody's controller on a bus: registers and bits that a test sets and the site's controller only reads."""

from collections.abc import Mapping, Sequence

from sim.registers import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, RefusedError


class Panel:
    """A unit of its own. What was never set is not there."""

    spacing_s = 0.0
    answers = True

    def __init__(self, panel_id: str, unit: int, initial: Mapping[str, Mapping[str, int]]) -> None:
        self.id = panel_id
        self.unit = unit
        self._tables: dict[str, dict[int, int]] = {
            table: {int(address): word for address, word in words.items()} for table, words in initial.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id,)

    def heard(self) -> None:
        """It has no watchdog."""

    def set(self, table: str, address: int, words: Sequence[int]) -> None:
        self._tables.setdefault(table, {}).update(enumerate(words, address))

    def read(self, table: str, address: int, count: int) -> list[int]:
        found = self._tables.get(table, {})
        try:
            return [found[place] for place in range(address, address + count)]
        except KeyError:
            raise RefusedError(ILLEGAL_ADDRESS) from None

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        raise RefusedError(ILLEGAL_FUNCTION)
