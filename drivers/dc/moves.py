"""The next step of a stack on its way to an outlet. PURE: what its contactors show in, one action out.

Each step follows from what is read, not from what was done before: after a crash at any point the same rule goes on
from whatever the contactors show then.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """Of one contactor. None: not known now."""

    commanded: bool | None
    closed: bool | None


@dataclass(frozen=True, slots=True)
class Own:
    """The contactors are as they must be: the outlet may aim the stack."""

    outlet: str


@dataclass(frozen=True, slots=True)
class Off:
    """The stack belongs to nobody, and nothing is switched: it is not proven off, or its place is not `known`."""

    text: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Open:
    """Take the command from these contactors; the stack is proven off."""

    outlets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """All are open, by command and by feedback, and the stack is proven off."""

    outlet: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Wait for the contactors of these outlets to do what they are commanded."""

    outlets: tuple[str, ...]


Action = Own | Off | Open | Close | Follow


def next_step(wanted: str, contactors: Mapping[str, Shown], *, proven_off: bool) -> Action:
    unknown = [outlet for outlet, shown in contactors.items() if None in (shown.commanded, shown.closed)]
    if unknown:
        return Off(f"the contactors to {', '.join(unknown)} do not show their state", known=False)
    closed = tuple(outlet for outlet, shown in contactors.items() if shown.closed)
    commanded = tuple(outlet for outlet, shown in contactors.items() if shown.commanded)
    if closed == commanded == (wanted,):
        return Own(wanted)
    if not proven_off:
        return Off("it is being switched off")
    others = tuple(outlet for outlet in commanded if outlet != wanted)
    if others:
        return Open(others)
    if still := tuple(outlet for outlet in closed if outlet not in commanded):
        # One that is closed against its command must open before anything else is closed.
        return Open(commanded) if commanded else Follow(still)
    return Follow(commanded) if commanded else Close(wanted)
