"""The closed loop itself: what it is to prove must not be granted by a fault of its own."""

import itertools
import random

import pytest

import sim.wiring
from controller.allocation.image import EvsePlan, Layout, Plan, ProcessImage, Reason, ReasonKind
from tests.closed_loop import clairvoyant
from tests.closed_loop.book import Book
from tests.closed_loop.clairvoyant import Wish
from tests.closed_loop.day import KINDS, day, profile
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import Loop, Pace, Plant
from tests.closed_loop.scenes import Post, Scene, board
from tests.closed_loop.station import Manner, car


def fixed(*commands: tuple[float, int]) -> Loop:
    """A loop that commands these currents from these times on."""

    def tick(layout: Layout, memory: None, image: ProcessImage) -> tuple[None, Plan]:
        current_ma = [current_ma for since_s, current_ma in commands if since_s <= image.now_s][-1]
        reason = Reason(ReasonKind.CIRCUIT)
        return None, Plan(tuple(EvsePlan(one.id, current_ma, True, reason, 0) for one in layout.evses), ())

    return Loop(tick, lambda: None, period_s=0.1)


def one_car(*commands: tuple[float, int], manner: Manner | None = None, dead_s: float = 5.0) -> Plant:
    posts = (Post("E0", manner=manner or Manner(latency_s=0.5), car=car(lag_s=0.0, dead_s=dead_s)),)
    scene = Scene((board(63, 40),), posts, Sight(0.25, 0.1, noise=0.0), write_s=0.1, slowest=True)
    return scene.plant(loop=fixed(*commands))


def test_a_cut_reaches_the_current_after_wire_charger_and_dead_time_and_not_before() -> None:
    plant = one_car((0, 20_000), (1030, 10_000))
    plant.run(30)
    assert plant.drawn_a() == 20
    plant.run(5.5)
    assert plant.drawn_a() == 20
    plant.run(0.6)
    assert plant.drawn_a() == 10


def test_time_above_a_rating_and_its_thermal_integral_are_those_of_the_load() -> None:
    plant = one_car((0, 20_000))
    plant.load_at(1040, "main", [63.0, 0.0, 0.0])
    plant.load_at(1050, "main", [0.0, 0.0, 0.0])
    plant.run(80)
    report = plant.book.report()
    assert report.above_s == plant.above("main", 63) == pytest.approx(10)
    assert report.worst_ratio == pytest.approx(83 / 63)
    assert report.thermal_s == pytest.approx(10 * ((83 / 63) ** 2 - 1))


def test_a_reading_shows_what_was_and_a_meter_that_is_above_its_rating_brings_the_tick_forward() -> None:
    ticked_s: list[float] = []
    loop = fixed((0, 20_000))

    def tick(layout: Layout, memory: None, image: ProcessImage) -> tuple[None, Plan]:
        ticked_s.append(image.now_s)
        return loop.tick(layout, memory, image)

    scene = Scene((board(63, 40),), (Post("E0"),), Sight(0.25, 0.2, noise=0.0))
    plant = scene.plant(loop=Loop(tick, lambda: None, period_s=1.0))
    plant.load_at(1040, "main", [60.0] * 3)
    plant.run(39.9)
    assert min(after - before for before, after in itertools.pairwise(ticked_s)) > 0.9
    plant.run(1.0)
    assert any(0.0 < at_s - 1040 <= 0.25 + 0.2 + 0.05 + 0.2 for at_s in ticked_s)
    reading = plant.meters["grid"].reading
    assert reading is not None
    assert reading.current_ma.l1 == 80_000


def test_a_dead_controller_leaves_the_charger_to_its_watchdog_and_a_dead_cycle_to_the_drivers_lease() -> None:
    plant = one_car((0, 20_000), dead_s=0.0)
    plant.run(30)
    plant.works = False
    plant.run(14)
    assert plant.drawn_a() == 20
    plant.run(3)
    assert plant.drawn_a() == 6
    plant = one_car((0, 20_000), dead_s=0.0)
    plant.run(30)
    plant.ticks = False
    plant.run(4.5)
    assert plant.drawn_a() == 20
    plant.run(2)
    assert plant.drawn_a() == 6


def test_a_lost_charger_keeps_what_it_holds_and_what_was_sent_counts_until_it_answers() -> None:
    plant = one_car((0, 20_000), (1030, 10_000), (1040, 30_000), dead_s=0.0)
    plant.run(29)
    plant.station("E0").works = False
    plant.run(5)
    image = plant.station("E0").image()
    assert (image.commanded_ma, image.confirmed_ma) == (10_000, 20_000)
    assert image.lost_s is not None
    plant.run(8)
    assert plant.station("E0").image().commanded_ma == 30_000
    assert plant.drawn_a() == 20


def test_shares_of_the_clairvoyant_are_max_min_fair() -> None:
    asked = [
        Wish(32, 1, (("a", 0), ("root", 0))),
        Wish(32, 1, (("a", 0), ("root", 0))),
        Wish(32, 1, (("root", 0),)),
    ]
    assert clairvoyant.share(asked, {("a", 0): 10.0, ("root", 0): 30.0}) == pytest.approx([5.0, 5.0, 20.0])
    asked[2] = Wish(8, 1, (("root", 0),))
    assert clairvoyant.share(asked, {("a", 0): 40.0, ("root", 0): 30.0}) == pytest.approx([11.0, 11.0, 8.0])


def test_coarse_steps_in_calm_tell_the_same_as_fine_ones() -> None:
    """Dead-beat setpoints: only time may differ, by less than a coarse step."""
    found = []
    for pace in (Pace(0.1), Pace(0.1, calm_s=10.0)):
        posts = tuple(Post(f"E{number}", manner=Manner(read_offset_s=0.1 * number)) for number in range(3))
        plant = Scene((board(63, 40),), posts).plant(pace=pace)
        plant.load("main", [8.0] * 3)
        plant.load_at(1200, "main", [30.0] * 3)
        plant.load_at(1500, "main", [10.0] * 3)
        plant.run(900)
        found.append(plant.book.report())
    assert found[1].delivered_kwh == pytest.approx(found[0].delivered_kwh, rel=0.05)
    assert found[1].above_s == pytest.approx(found[0].above_s, abs=3 * 1.2)
    assert found[1].overloads == found[0].overloads


def test_a_book_that_begins_anew_forgets_and_goes_on_counting() -> None:
    circuit = sim.wiring.Circuit("main", None, (10.0, 10.0, 10.0))
    wiring, book = sim.wiring.Wiring([circuit]), Book([circuit], [])
    circuit.load_a = [20.0, 0.0, 0.0]
    for now_s in (1.0, 2.0, 3.0):
        if now_s == 3.0:
            book.begin_anew()
        wiring.settle([], powered=True)
        wiring.account(1.0)
        book.account(now_s, 1.0)
    assert [(one.lasted_s, one.ratio, one.thermal_s) for one in book.overloads] == [(1.0, 2.0, 3.0)]


@pytest.mark.parametrize("kind", KINDS)
def test_bdew_days_have_a_quarter_hour_each_and_peak_at_most_at_one(kind: str) -> None:
    shares = profile(kind, random.Random(1))
    assert len(shares) == 96
    assert 0 < min(shares) < max(shares) <= 1


def test_a_day_is_the_same_for_the_same_seed() -> None:
    reports = []
    for _ in range(2):
        site = day(3)
        site.plant.run(1200)
        reports.append(site.plant.book.report())
    assert reports[0] == reports[1]
