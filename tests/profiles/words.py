"""What a hand-made vector says: these words at this address mean this value, and the other way round (R16).

A current is in mA, a voltage in mV, power in W, energy in Wh, time in ms, all else raw. The words are those of the
wire, in the order in which they arrive.
"""

from typing import NamedTuple

HOLDING, INPUT, COIL = "holding", "input", "coil"


class Read(NamedTuple):
    """These words, read at this address, mean this value (None: no value)."""

    name: str
    table: str
    address: int
    words: tuple[int, ...]
    value: int | str | None
    outlet: int = 1
    tens: int | None = None
    """The power of ten that another register holds; None: there is none."""


class Write(NamedTuple):
    """This value is said by these words, written to this holding register (with function 5: coil)."""

    name: str
    address: int
    function: int
    words: tuple[int, ...]
    value: int
    outlet: int = 1


class State(NamedTuple):
    """These words of the state register, with these of the plug register, mean this letter."""

    words: tuple[int, ...]
    letter: str
    plug: tuple[int, ...] | None = None


def words(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


def read(
    name: str,
    place: tuple[str, int],
    text: str,
    value: int | str | None,
    outlet: int = 1,
    *,
    tens: int | None = None,
) -> Read:
    return Read(name, place[0], place[1], words(text), value, outlet, tens)
