"""DC contactors and what is done to them: they switch late, may weld or stick, and must not break a current."""

from sim.events import EventLog

SWITCHES_S = 0.1
BREAKS_A = 5.0
"""IEC 61851-23 opens below that; above it the arc eats the contacts."""


class DamageBook:
    """What a site must never do to its hardware, in the order in which it was done."""

    def __init__(self, log: EventLog) -> None:
        self.records: list[dict[str, str | float]] = []
        self._log = log

    def note(self, what: str, where: str, amperes: float) -> None:
        self.records.append({"what": what, "where": where, "amperes": amperes})
        self._log.add("damage", what=what, where=where, amperes=amperes)


class Contactor:
    """One pole pair with its auxiliary contact, which is mechanically linked to it."""

    def __init__(self, name: str, book: DamageBook) -> None:
        self.name = name
        self.commanded = False
        self.closed = False
        self.welded = False
        """Stays closed once it is."""
        self.stuck = False
        """Stays open once it is."""
        self.aux_broken = False
        """The wire of the auxiliary contact is cut: it says open, whatever is true."""
        self._book = book
        self._due_s: float | None = None

    @property
    def feedback(self) -> bool:
        return self.closed and not self.aux_broken

    def weld(self, welded: bool) -> None:
        self.welded = welded
        self.closed = self.closed or welded

    def step(self, now_s: float, amperes: float) -> None:
        """Follow the command; `amperes` is what it carries."""
        if self._wanted() == self.closed:
            self._due_s = None
        elif self._due_s is None:
            self._due_s = now_s + SWITCHES_S
        elif now_s >= self._due_s:
            self._due_s = None
            self._switch(amperes)

    def drop(self, amperes: float) -> None:
        """Its coil has lost its supply."""
        self.commanded = False
        if self.closed and not self.welded:
            self._switch(amperes)

    def _wanted(self) -> bool:
        if self.closed:
            return self.commanded or self.welded
        return self.commanded and not self.stuck

    def _switch(self, amperes: float) -> None:
        if self.closed and amperes > BREAKS_A:
            self._book.note("opened_under_load", self.name, amperes)
        self.closed = not self.closed
