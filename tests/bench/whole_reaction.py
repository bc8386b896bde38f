"""When a site has reacted to an over-current: judged by what its chargers have acknowledged, without any I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Reaction:
    """`limits_a`: what each charger had acknowledged when the meter first showed the over-current, at `begun_s`.

    It ends with the acknowledgement after which every charger has taken a lower limit and the building's load with
    all limits is not above the rating: the last of them, though the sum may have fallen below the rating before.
    """

    rating_a: float
    building_a: float
    begun_s: float
    limits_a: Mapping[str, float]
    ended_s: float = math.inf
    below_s: float = math.inf
    """When the sum was first within the rating."""
    _now_a: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self._now_a = dict(self.limits_a)

    def acknowledged(self, evse: str, limit_a: float, at_s: float) -> None:
        self._now_a[evse] = limit_a
        if self.building_a + sum(self._now_a.values()) > self.rating_a:
            return
        self.below_s = min(self.below_s, at_s)
        if all(self._now_a[name] < before for name, before in self.limits_a.items()):
            self.ended_s = min(self.ended_s, at_s)

    @property
    def over(self) -> bool:
        return self.ended_s < math.inf

    @property
    def took_s(self) -> float:
        """Infinite: not all have reacted."""
        return self.ended_s - self.begun_s
