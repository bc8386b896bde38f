"""Surplus only: what would be exported, smoothed, and not switched on and off by clouds."""

from dataclasses import dataclass, field, replace

from controller.allocation.circuits import Circuit
from controller.allocation.control import tick
from controller.allocation.image import Demand, EvseImage, Layout, Plan, ReasonKind
from controller.allocation.memory import Memory
from drivers.api import EvseReading, MeterReading, Phases
from tests.allocation.builders import charging, circuit, image, layout, point, three

MAIN: Circuit = circuit("main", 63, meter="grid")
SITE = layout([MAIN], [point("A", max_ma=32_000), point("B", max_ma=32_000)])


@dataclass
class Roof:
    """A house with sun on it: EVs obey within a second, the grid meter shows the balance of all phases."""

    site: Layout = SITE
    surplus: tuple[str, ...] = ("A",)
    sun_w: int = 0
    signed: bool = True
    stuck: bool = False
    """The meter repeats what it showed before anybody charged."""
    now_s: float = 0.0
    memory: Memory = field(default_factory=Memory)
    set_ma: dict[str, int] = field(default_factory=dict)
    plan: Plan | None = None

    def run(self, seconds: int, sun_w: int | None = None) -> None:
        self.sun_w = self.sun_w if sun_w is None else sun_w
        for _ in range(seconds):
            self.now_s += 1
            drawn_ma = 0 if self.stuck else sum(self.set_ma.values())
            power_w = drawn_ma * 3 * 230 // 1000 - self.sun_w
            phase_ma = power_w * 1000 // 690
            meter = MeterReading(
                self.now_s - 0.5, Phases(phase_ma, phase_ma, phase_ma), power_w, signed=self.signed
            )
            evses = []
            for name in self.site.evses:
                set_ma = self.set_ma.get(name.id, 0)
                one = charging(name.id, self.now_s - 0.3, set_ma / 1000)
                demand = Demand(since_s=0.0, surplus=name.id in self.surplus)
                evses.append(replace(one, demand=demand if name.id in "AB" else None))
            self.memory, self.plan = tick(self.site, self.memory, image(self.now_s, evses, grid=meter))
            self.set_ma = {one.id: one.current_ma for one in self.plan.evses}

    def reason(self, name: str) -> str:
        assert self.plan is not None
        return next(one.reason.text() for one in self.plan.evses if one.id == name)


ALONE = replace(SITE, evses=SITE.evses[:1])


def test_it_starts_after_a_minute_of_enough_and_takes_what_would_be_exported() -> None:
    roof = Roof(ALONE)
    roof.run(50, sun_w=8000)
    assert roof.set_ma == {"A": 0}
    assert roof.reason("A") == "waiting: room must last"
    roof.run(120)
    assert roof.set_ma == {"A": 11_000}, "8 kW are 11.6 A on three phases"
    assert roof.reason("A") == "surplus"


def test_too_little_sun_starts_nothing_and_says_so() -> None:
    roof = Roof(ALONE)
    roof.run(200, sun_w=4000)
    assert roof.set_ma == {"A": 0}
    assert roof.reason("A") == "waiting: surplus"


def test_it_follows_the_sun_down_and_up() -> None:
    roof = Roof(ALONE)
    roof.run(150, sun_w=12_000)
    assert roof.set_ma == {"A": 17_000}
    roof.run(60, sun_w=6000)
    assert roof.set_ma == {"A": 8000}
    roof.run(120, sun_w=9000)
    assert roof.set_ma == {"A": 13_000}


def test_a_cloud_of_two_minutes_does_not_stop_it_and_a_grey_hour_does() -> None:
    roof = Roof(ALONE)
    roof.run(150, sun_w=8000)
    roof.run(120, sun_w=500)
    assert roof.set_ma == {"A": 6000}
    roof.run(60, sun_w=8000)
    assert roof.set_ma["A"] > 6000
    roof.run(300, sun_w=500)
    assert roof.set_ma == {"A": 0}


def test_a_standard_session_comes_first_and_the_surplus_is_what_is_left() -> None:
    roof = Roof(surplus=("A",))
    roof.run(200, sun_w=30_000)
    assert roof.set_ma["B"] == 32_000
    assert roof.set_ma["A"] == 11_000, "30 kW less 22 kW"


def test_two_share_the_surplus() -> None:
    roof = Roof(surplus=("A", "B"))
    roof.run(200, sun_w=14_000)
    assert roof.set_ma == {"A": 10_000, "B": 10_000}


def test_without_signs_or_a_recent_reading_there_is_no_surplus() -> None:
    roof = Roof(ALONE, signed=False)
    roof.run(200, sun_w=20_000)
    assert roof.set_ma == {"A": 0}
    unmetered = replace(ALONE, circuits=(replace(MAIN, meter=None),))
    roof = Roof(unmetered)
    roof.run(200, sun_w=20_000)
    assert roof.set_ma == {"A": 0}


def test_a_meter_that_does_not_follow_the_ev_shows_no_surplus() -> None:
    roof = Roof(ALONE, stuck=True)
    roof.run(59, sun_w=8_000)
    highest_ma = 0
    for _ in range(300):
        roof.run(1)
        highest_ma = max(highest_ma, roof.set_ma["A"])
    assert highest_ma > 0, "it looks like sun until the EV draws"
    assert roof.set_ma == {"A": 0}


def test_a_charger_that_measures_nothing_counts_with_its_setpoint() -> None:
    memory, now_s = Memory(), 0.0
    one = charging("A", 0.0, 0, demand=Demand(since_s=0.0, surplus=True))
    set_ma = 0
    for _ in range(200):
        now_s += 1
        reading = EvseReading(now_s - 0.4, None, True)
        power_w = set_ma * 3 * 230 // 1000 - 8000
        meter = MeterReading(now_s - 0.5, three(power_w / 690), power_w, signed=True)
        memory, plan = tick(
            ALONE, memory, image(now_s, [replace(obeyed_to(one, set_ma), reading=reading)], grid=meter)
        )
        set_ma = plan.evses[0].current_ma
    assert set_ma == 11_000
    assert plan.evses[0].reason.kind is ReasonKind.SURPLUS


def obeyed_to(one: EvseImage, set_ma: int) -> EvseImage:
    return replace(one, confirmed_ma=set_ma, commanded_ma=set_ma)
