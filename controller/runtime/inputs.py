"""Digital inputs: what level they show, whether that counts as active, and which of them has stopped the site.

Fail-safe (R11): an input that has not been read for LOST_S is active, because a broken wire looks like that.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from controller.charging.view import InputView
from controller.runtime.limit_slices import InputSlice

LOST_S = 4.0
"""Longer than a bus takes to be opened again, and within the 5 s in which a lost part is acted on (R4). A new input
has as long for its first reading, so that a restart of the controller pauses nobody."""


@dataclass(slots=True)
class _Seen:
    since_s: float
    """When it was last read, or when it was added."""
    level: int | None = None


class InputBook:
    def __init__(self, now_s: Callable[[], float]) -> None:
        self.latched: frozenset[str] = frozenset()
        """Inputs that stopped the site and were not released since."""
        self._now_s = now_s
        self._slices: Mapping[str, InputSlice] = {}
        self._seen: dict[str, _Seen] = {}

    def __contains__(self, input: str) -> bool:
        return input in self._slices

    def change_to(self, slices: Iterable[InputSlice]) -> None:
        """Inputs that stay are not read anew."""
        self._slices = {one.id: one for one in slices}
        self._seen = {name: self._seen.get(name) or _Seen(self._now_s()) for name in self._slices}

    def sensed(self, input: str, value: int | None, t_s: float) -> None:
        """A reading. What is no value leaves the last one to grow old."""
        if value is not None and input in self._seen:
            self._seen[input] = _Seen(t_s, int(value != 0))

    def active(self, input: str) -> bool:
        """Whether it counts as active; so does one that cannot be read, or that nobody knows."""
        if input not in self._slices or self.lost(input):
            return True
        return self._seen[input].level == self._slices[input].active

    def lost(self, input: str) -> bool:
        return input in self._seen and self._now_s() - self._seen[input].since_s > LOST_S

    def stopping(self) -> frozenset[str]:
        """Inputs that are active now and stop all."""
        return frozenset(name for name, one in self._slices.items() if one.stop_all and self.active(name))

    def stopped_by(self) -> tuple[str, ...]:
        return tuple(sorted(self.latched | self.stopping()))

    def states(self) -> Mapping[str, bool]:
        return {name: self.active(name) for name in self._slices}

    def next_loss_s(self) -> float | None:
        """When the next input counts as lost if nothing is read any more."""
        now_s = self._now_s()
        times = [seen.since_s + LOST_S for seen in self._seen.values()]
        return min((t_s for t_s in times if t_s >= now_s), default=None)

    def views(self) -> tuple[InputView, ...]:
        """Those that are configured, and any that was taken out while its stop is not released."""
        configured = (self._view(name, stop_all=one.stop_all) for name, one in self._slices.items())
        removed = (self._view(name, stop_all=True) for name in sorted(self.latched - self._slices.keys()))
        return (*configured, *removed)

    def _view(self, name: str, *, stop_all: bool) -> InputView:
        seen = self._seen.get(name)
        return InputView(
            id=name,
            active=name in self._slices and self.active(name),
            known=seen is not None and seen.level is not None and not self.lost(name),
            stop_all=stop_all,
            latched=name in self.latched,
        )

    def alarms(self) -> Iterable[str]:
        for name in self._slices:
            if self.lost(name):
                yield f"input {name} cannot be read, so it counts as active"
        for name in self.stopped_by():
            held = "active" if name in self.stopping() else "no longer active: release it to charge again"
            yield f"input {name} has stopped all charging; it is {held}"
