"""Wall time is an offset to the monotonic clock, with its trust (R26)."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from controller.charging.instant import Sync, wire_utc
from controller.clock import CEILING, KERNEL_EVERY_S, Clock, Machine, boot_id, kernel_synchronised

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOOT = "boot-1"


class Planted:
    """A machine whose clocks the test turns."""

    def __init__(self, wall: datetime = NOON, *, synchronised: bool = False) -> None:
        self.mono_s = 100.0
        self.wall = wall
        self.synchronised = synchronised

    @property
    def machine(self) -> Machine:
        return Machine(lambda: self.mono_s, lambda: self.wall, lambda: BOOT, lambda: self.synchronised)

    def pass_s(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall += timedelta(seconds=seconds)


def test_r26_a_moment_holds_boot_monotonic_time_wall_time_and_its_trust() -> None:
    planted = Planted()
    clock = Clock(machine=planted.machine)
    planted.pass_s(7.5)
    now = clock.now()
    assert (now.boot, now.mono_s, now.wall, now.trusted) == (BOOT, 107.5, NOON + timedelta(seconds=7.5), False)
    assert clock.sync is None


def test_a_kernel_that_ntp_holds_is_trusted_from_the_start() -> None:
    clock = Clock(machine=Planted(synchronised=True).machine)
    assert clock.now().trusted
    assert clock.sync == Sync(BOOT, 100.0, NOON)
    assert clock.source == "kernel"


def test_a_kernel_that_ntp_sets_later_is_noticed_and_its_new_time_taken() -> None:
    planted = Planted(wall=datetime(1970, 1, 1, tzinfo=UTC))
    clock = Clock(machine=planted.machine)
    early = clock.now()
    planted.synchronised, planted.wall = True, NOON
    planted.mono_s += KERNEL_EVERY_S
    now = clock.now()
    assert (now.trusted, now.wall) == (True, NOON)
    assert wire_utc(early, clock.sync) == NOON - timedelta(seconds=KERNEL_EVERY_S)


def test_the_kernel_is_not_asked_at_every_look_at_the_clock() -> None:
    asked = 0

    def synchronised() -> bool:
        nonlocal asked
        asked += 1
        return False

    clock = Clock(machine=Machine(lambda: 5.0, lambda: NOON, lambda: BOOT, synchronised))
    for _ in range(100):
        clock.now()
    assert asked == 1


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=-1), timedelta(days=20 * 365)])
@pytest.mark.parametrize("synchronised", [True, False])
def test_a_jump_of_the_system_clock_moves_no_record(jump: timedelta, *, synchronised: bool) -> None:
    planted = Planted(synchronised=synchronised)
    clock = Clock(machine=planted.machine)
    before = clock.now()
    planted.wall += jump
    planted.pass_s(60)
    after = clock.now()
    assert after.wall - before.wall == timedelta(seconds=60)
    assert after.seconds_since(before) == 60


def test_a_csms_sets_the_time_and_the_step_is_told() -> None:
    planted = Planted()
    clock = Clock(machine=planted.machine)
    planted.pass_s(10)
    step = clock.set_trusted(NOON + timedelta(seconds=310), "csms")
    assert step == pytest.approx(300)
    assert clock.sync == Sync(BOOT, 110.0, NOON + timedelta(seconds=310))
    planted.pass_s(5)
    now = clock.now()
    assert (now.trusted, now.wall, clock.source) == (True, NOON + timedelta(seconds=315), "csms")


def test_a_time_in_another_zone_is_taken_as_the_same_moment() -> None:
    clock = Clock(machine=Planted().machine)
    clock.set_trusted(datetime(2026, 11, 23, 14, 0, 3, tzinfo=timezone(timedelta(hours=2))), "csms")
    assert clock.now().wall == NOON + timedelta(seconds=3)
    assert clock.now().wall.tzinfo is UTC


def test_a_later_correction_may_turn_back_within_the_boot() -> None:
    clock = Clock(machine=Planted().machine)
    clock.set_trusted(NOON + timedelta(hours=1), "csms")
    assert clock.set_trusted(NOON, "csms") == pytest.approx(-3600)
    assert clock.now().wall == NOON


def test_a_machine_without_battery_clock_starts_at_the_last_known_time() -> None:
    planted = Planted(wall=datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC))
    clock = Clock(floor=NOON, machine=planted.machine)
    planted.pass_s(30)
    assert clock.now().wall == NOON
    assert not clock.now().trusted


def test_a_source_far_below_the_last_known_time_is_not_believed() -> None:
    clock = Clock(floor=NOON, machine=Planted(wall=NOON + timedelta(hours=1)).machine)
    assert clock.set_trusted(NOON - timedelta(days=300), "csms") < 0
    assert clock.now().wall == NOON + timedelta(hours=1)
    assert not clock.now().trusted
    assert clock.sync is None


def test_a_source_a_little_behind_the_last_known_time_is_believed_and_the_clock_waits_for_it() -> None:
    planted = Planted()
    clock = Clock(floor=NOON, machine=planted.machine)
    clock.set_trusted(NOON - timedelta(seconds=20), "csms")
    planted.pass_s(15)
    assert (clock.now().wall, clock.now().trusted) == (NOON, True)
    planted.pass_s(15)
    assert clock.now().wall == NOON + timedelta(seconds=10)


def test_a_synchronised_kernel_below_the_last_known_time_is_no_proof() -> None:
    clock = Clock(floor=NOON, machine=Planted(wall=NOON - timedelta(days=2), synchronised=True).machine)
    assert not clock.now().trusted
    assert clock.now().wall == NOON


@pytest.mark.parametrize("wall", [CEILING + timedelta(days=1), datetime.max.replace(tzinfo=UTC)])
def test_a_time_beyond_the_calendar_is_not_believed(wall: datetime) -> None:
    clock = Clock(machine=Planted().machine)
    clock.set_trusted(wall, "csms")
    assert clock.now().wall == NOON
    assert not clock.now().trusted


@pytest.mark.parametrize(
    "wall", [NOON.replace(tzinfo=None), datetime.max.replace(tzinfo=timezone(timedelta(hours=-3)))]
)
def test_a_time_without_a_zone_or_outside_the_calendar_is_refused(wall: datetime) -> None:
    clock = Clock(machine=Planted().machine)
    with pytest.raises(ValueError, match="time"):
        clock.set_trusted(wall, "csms")
    assert clock.now().wall == NOON


def test_r26_a_restarted_process_trusts_the_sync_of_its_own_boot() -> None:
    planted = Planted(wall=datetime(2031, 5, 5, tzinfo=UTC))
    kept = Sync(BOOT, 40.0, NOON)
    clock = Clock(syncs={BOOT: kept, "boot-0": Sync("boot-0", 0.0, NOON)}, machine=planted.machine)
    now = clock.now()
    assert (now.trusted, now.wall, clock.source) == (True, NOON + timedelta(seconds=60), "kept")
    assert clock.sync == kept


def test_a_sync_of_another_boot_proves_nothing() -> None:
    clock = Clock(syncs={"boot-0": Sync("boot-0", 0.0, NOON)}, machine=Planted().machine)
    assert not clock.now().trusted


def test_the_boot_id_is_the_kernels_and_a_random_one_without_it(tmp_path: Path) -> None:
    planted = tmp_path / "boot_id"
    planted.write_text("0a1b2c\n")
    assert boot_id(planted) == "0a1b2c"
    nowhere = tmp_path / "nowhere"
    assert len(boot_id(nowhere)) == 36
    assert boot_id(nowhere) == boot_id(nowhere)


def test_the_real_machine_answers() -> None:
    clock = Clock()
    first, second = clock.now(), clock.now()
    assert second.mono_s >= first.mono_s
    assert first.boot == clock.boot
    assert clock.now().trusted == kernel_synchronised()
