"""A day played through with the product's own sharing, which knows only who is there and what the drivers said.

The sharing is asked anew at every arrival, departure and full battery, and in between every few minutes. What takes
seconds in the product (a charger's latency, an EV that follows, raises that wait for cuts) is left out, as is the
taper at the end of a charge; a car that is full asks for nothing more. Each car's largest current counts as known,
which in the product it is after a minute.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controller.allocation.image import Deadline
from controller.allocation.request import Request, Standing
from controller.allocation.sharing import share_out
from controller.allocation.urgency import NO_DEADLINE, Offer, is_over, urgency
from tests.bench.days_sessions import VOLTS, Stay
from tests.bench.days_site import DaySite

SLOT_S = 900.0
_LEAST_MA = 6_000
_STEP_MA = 1_000
_FULL_WH = 0.5
_SHORTEST_S = 1.0


class Mode(enum.Enum):
    STANDARD = "standard"
    DEADLINE = "deadline"


@dataclass(slots=True)
class Car:
    """`turn_s`: when it began to charge, or to wait."""

    stay: Stay
    turn_s: float
    links: tuple[int, ...]
    got_wh: float = 0.0
    charging: bool = False
    starts: int = 0
    current_ma: int = 0

    @property
    def missing_wh(self) -> float:
        return self.stay.takes_wh - self.got_wh

    @property
    def power_w(self) -> float:
        return self.current_ma / 1000 * self.stay.watts_per_a

    def request(self, mode: Mode, now_s: float) -> Request:
        pressed = self._urgency(now_s) if mode is Mode.DEADLINE else NO_DEADLINE
        return Request(
            id=self.stay.id,
            least_ma=_LEAST_MA,
            most_ma=self.stay.most_ma,
            step_ma=_STEP_MA,
            links=self.links,
            standing=self._standing(now_s, pressed),
            since_s=self.turn_s,
            urgency=pressed,
            phases=self.stay.phases,
        )

    def _urgency(self, now_s: float) -> int:
        said = self.stay.said
        if said is None:
            return NO_DEADLINE
        missing = Deadline(int(said.energy_wh - self.got_wh), said.departs_s)
        offer = Offer(self.stay.most_ma, self.stay.phases, VOLTS * 1000)
        return urgency(missing, offer, now_s, charging=self.charging)

    def _standing(self, now_s: float, pressed: int) -> Standing:
        turned_s = now_s - self.turn_s
        if self.charging:
            return Standing.OVERSTAYING if turned_s >= SLOT_S else Standing.SERVING
        return Standing.DUE if is_over(turned_s, SLOT_S, pressed) else Standing.WAITING

    def switch(self, current_ma: int, now_s: float) -> None:
        self.current_ma = current_ma
        if self.charging != (current_ma > 0):
            self.charging = current_ma > 0
            self.starts += self.charging
            self.turn_s = now_s


@dataclass(frozen=True, slots=True)
class Played:
    """Energy and starts of each car, by its id."""

    got_wh: Mapping[str, float]
    starts: Mapping[str, int]


@dataclass(slots=True)
class _Day:
    site: DaySite
    mode: Mode
    cars: Sequence[Car]
    every_s: float
    moments: list[float] = field(init=False)

    def __post_init__(self) -> None:
        ends = {moment for car in self.cars for moment in (car.stay.arrives_s, car.stay.departs_s)}
        self.moments = sorted(ends, reverse=True)

    def run(self) -> None:
        while self.moments:
            now_s = self.moments.pop()
            while self.moments:
                here = [car for car in self.cars if car.stay.arrives_s <= now_s < car.stay.departs_s]
                self._share([car for car in here if car.missing_wh > _FULL_WH], now_s)
                until_s = self._until(here, now_s)
                _charge(here, (until_s - now_s) / 3600)
                if until_s >= self.moments[-1]:
                    break
                now_s = until_s

    def _share(self, hungry: Sequence[Car], now_s: float) -> None:
        shares = share_out([car.request(self.mode, now_s) for car in hungry], self.site.room_ma)
        for car in hungry:
            car.switch(shares[car.stay.id].current_ma, now_s)

    def _until(self, here: Iterable[Car], now_s: float) -> float:
        full = [
            now_s + max(_SHORTEST_S, car.missing_wh / car.power_w * 3600)
            for car in here
            if car.current_ma and car.missing_wh > _FULL_WH
        ]
        return min(self.moments[-1], (now_s // self.every_s + 1) * self.every_s, *full)


def _charge(here: Iterable[Car], hours: float) -> None:
    for car in here:
        car.got_wh = min(car.stay.takes_wh, car.got_wh + car.power_w * hours)


def play(day: Sequence[Stay], site: DaySite, mode: Mode, *, every_s: float) -> Played:
    cars = [Car(stay, stay.arrives_s, site.links(stay)) for stay in day]
    _Day(site, mode, cars, every_s).run()
    return Played({car.stay.id: car.got_wh for car in cars}, {car.stay.id: car.starts for car in cars})
