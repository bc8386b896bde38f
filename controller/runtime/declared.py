"""The limits that site.toml declares: what their sources said last, and what counts of it now (R37).

A source that is silent for longer than its limit's `expires_s` is lost, and one that has not spoken since the start
is not believed to have nothing to say: in both cases `when_lost` counts. A calendar that does not know the time
takes the lowest of its values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from controller.allocation.image import Limit
from controller.charging.instant import Instant
from controller.charging.view import LimitState
from controller.runtime.limit_slices import LimitSlice, LimitsSlice, Source

SAID_AT_RUN_TIME = frozenset({Source.REST, Source.MQTT, Source.MODBUS})
LONGEST_S = 31 * 86_400.0
"""No value is good for longer than a month, unless it needs no refreshing at all."""


class RefusedError(Exception):
    """A value is not taken; the last good one stays until it expires."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a source said last. `value` None: that it does not limit."""

    value: int | None
    at_s: float
    expires_s: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts now. `value` None: nothing. `until_s`: when it stops counting, if nothing is said before."""

    state: LimitState
    value: int | None
    until_s: float | None = None
    at_s: float | None = None


class DeclaredLimits:
    """`active` tells of digital inputs. `held` are the last values of those that hold them, over restarts."""

    def __init__(self, *, now: Callable[[], Instant], active: Callable[[str], bool]) -> None:
        self.slices: Mapping[str, LimitSlice] = {}
        self.held: dict[str, int | None] = {}
        self._now = now
        self._active = active
        self._zone = LimitsSlice().zone
        self._words: dict[str, Word] = {}
        self._refused: dict[str, str] = {}
        self._added_s: dict[str, float] = {}

    def change_to(self, plan: LimitsSlice) -> None:
        """A limit that stays as it was keeps what it was told; a changed one waits for its source anew (R36)."""
        now_s = self._now().mono_s
        fresh = {one.id: one for one in plan.limits}
        stays = {name for name, one in fresh.items() if self.slices.get(name) == one}
        self._words = {name: word for name, word in self._words.items() if name in stays}
        self._refused = {name: why for name, why in self._refused.items() if name in stays}
        self._added_s = {name: self._added_s[name] if name in stays else now_s for name in fresh}
        self.held = {name: value for name, value in self.held.items() if name in fresh}
        self.slices, self._zone = fresh, plan.zone

    # what sources say

    def say(self, limit: str, value: float | None, expires_s: float | None = None) -> None:
        """Take a value in the limit's own unit; None: it does not limit, until it is heard of again.

        Raises:
            RefusedError: the value is implausible, or would hold for longer than is declared.
        """
        one = self.slices[limit]
        try:
            taken = None if value is None else _within(one, _inside(one, value))
            lasts_s = _lasts(one, expires_s)
        except RefusedError as error:
            self._refused[limit] = str(error)
            raise
        self._take(one, taken, at_s=self._now().mono_s, lasts_s=lasts_s)

    def sensed(self, limit: str, value: int | None, t_s: float) -> None:
        """A register was read: `value` in mA or W, None where it showed no number."""
        one = self.slices.get(limit)
        if one is None:
            return
        try:
            if value is None:
                raise RefusedError("the register shows no number")
            taken = _within(one, value)
        except RefusedError as error:
            self._refused[limit] = str(error)
        else:
            self._take(one, taken, at_s=t_s, lasts_s=one.expires_s)

    def _take(self, one: LimitSlice, value: int | None, *, at_s: float, lasts_s: float | None) -> None:
        self._refused.pop(one.id, None)
        self._words[one.id] = Word(value, at_s, None if lasts_s is None else at_s + lasts_s)
        if one.when_lost == "hold":
            self.held[one.id] = value

    # what counts

    def standing(self, limit: str) -> Standing:
        one, now = self.slices[limit], self._now()
        match one.source:
            case Source.CALENDAR:
                return self._by_calendar(one, now)
            case Source.INPUT:
                active = self._active(one.input or "")
                return Standing(LimitState.SET, one.value) if active else Standing(LimitState.FREE, None)
            case _:
                return self._by_word(one, now.mono_s)

    def _by_calendar(self, one: LimitSlice, now: Instant) -> Standing:
        if not now.trusted or self._zone is None:
            return Standing(LimitState.DOUBT, min(span.value for span in one.spans))
        local = now.wall.astimezone(self._zone)
        values = [span.value for span in one.spans if span.window.holds(local)]
        return Standing(LimitState.SET if values else LimitState.FREE, min(values, default=None))

    def _by_word(self, one: LimitSlice, now_s: float) -> Standing:
        word = self._words.get(one.id)
        if word is None:
            return Standing(LimitState.WAITING, self._fall_back(one))
        if word.expires_s is not None and word.expires_s <= now_s:
            return Standing(LimitState.LOST, self._fall_back(one), at_s=word.at_s)
        state = LimitState.FREE if word.value is None else LimitState.SET
        return Standing(state, word.value, word.expires_s, word.at_s)

    def _fall_back(self, one: LimitSlice) -> int | None:
        match one.when_lost:
            case "hold":
                return self.held.get(one.id)
            case int(value):
                return value
            case _:
                return None

    def current(self, now_s: float) -> Iterator[Limit]:
        """For the allocation."""
        del now_s
        for name, one in self.slices.items():
            found = self.standing(name)
            if found.value is not None:
                yield limit_of(one, found)

    def next_expiry_s(self) -> float | None:
        now_s = self._now().mono_s
        times = [word.expires_s for word in self._words.values() if word.expires_s is not None]
        return min((t_s for t_s in times if t_s > now_s), default=None)

    def refused(self, limit: str) -> str:
        """Why its last value was not taken; empty: it was."""
        return self._refused.get(limit, "")

    def alarms(self) -> Iterable[str]:
        for name, one in self.slices.items():
            found = self.standing(name)
            if found.state is LimitState.DOUBT:
                yield f"limit {name}: the time is not certain, so the lowest value of its calendar counts"
            elif found.state is LimitState.LOST:
                yield f"limit {name}: its source is silent; {self.consequence(name)}"
            elif found.state is LimitState.WAITING and self._should_have_spoken(one):
                yield f"limit {name}: no value since the start; {self.consequence(name)}"
            if why := self.refused(name):
                yield f"limit {name}: a value was refused: {why}"

    def _should_have_spoken(self, one: LimitSlice) -> bool:
        """A source that need not repeat itself need not have said anything."""
        return one.expires_s is not None and self._now().mono_s - self._added_s[one.id] > one.expires_s

    def consequence(self, limit: str) -> str:
        """What counts without its source, for people."""
        one = self.slices[limit]
        match one.when_lost:
            case int(value):
                return f"{one.unit.text(value)} counts instead"
            case "hold":
                held = self._fall_back(one)
                return (
                    "its last value counts on" if held is not None else "there is no last value, it does not limit"
                )
            case "release":
                return "it does not limit"
            case None if one.source is Source.INPUT:
                return "an input that cannot be read is active"
            case _:
                return "the lowest value of the calendar counts while the time is not certain"


def limit_of(one: LimitSlice, standing: Standing) -> Limit:
    in_amperes = one.unit.name == "A"
    return Limit(
        source=one.id,
        scope=one.scope,
        target=one.target,
        value_ma=standing.value if in_amperes else None,
        value_w=None if in_amperes else standing.value,
    )


def _inside(one: LimitSlice, value: float) -> int:
    if not isfinite(value):
        raise RefusedError(f"{value} is no number")
    return one.unit.inside(Decimal(str(value)))


def _within(one: LimitSlice, value: int) -> int:
    if value < 0:
        raise RefusedError(f"{one.unit.text(value)} is negative")
    if value < one.lowest:
        raise RefusedError(f"{one.unit.text(value)} is below {one.unit.text(one.lowest)}, the least it accepts")
    if value > one.highest:
        raise RefusedError(f"{one.unit.text(value)} is above {one.unit.text(one.highest)}, the most it accepts")
    return value


def _lasts(one: LimitSlice, asked_s: float | None) -> float | None:
    """How long a value is good: as declared, or as asked if that is shorter."""
    if asked_s is None:
        return one.expires_s
    most_s = LONGEST_S if one.expires_s is None else one.expires_s
    if not 0 < asked_s <= most_s:  # also refuses NaN
        raise RefusedError(f"expires_s must be above 0 and at most {most_s:g}")
    return asked_s
