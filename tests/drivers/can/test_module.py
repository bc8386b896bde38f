"""What is believed of one module, and how much it counts; times are given, nothing waits."""

from drivers.can.families.told import ModuleLimits, Order, Told
from drivers.can.module import Module, ModuleState
from tests.drivers.can.rig import shipped

OFF_BITS = frozenset({"dc_side_off"})
LIMITS = ModuleLimits(150_000, 1_000_000, 100_000, 30_000)


def infy(now_s: float = 0.0) -> Module:
    """silent after 3 s, settled after 2 s, off 15 s after the last frame."""
    return Module(1, shipped("infypower-v1.13").profile, acknowledges=False, now_s=now_s)


def uu(now_s: float = 0.0) -> Module:
    """silent after 2 s, settled after 1 s, with no known time-out; it acknowledges."""
    return Module(1, shipped("uugreenpower-ur1000x0").profile, acknowledges=True, now_s=now_s)


def off(module: Module, now_s: float) -> None:
    module.told(Told(1, voltage_mv=0, current_ma=0, status=OFF_BITS, limits=LIMITS), now_s)


def settled(module: Module, now_s: float) -> int:
    module.settle(now_s)
    return module.bound_ma


def running(module: Module) -> Module:
    """Ordered 40 A and on since 10 s, proven at 13 s."""
    for now_s in (1.0, 4.0, 7.0, 9.5):
        off(module, now_s)
    assert settled(module, 9.5) == 0
    module.ordered(Order(400_000, 40_000), 10.0)
    module.switched(on=True, now_s=10.0)
    for now_s in (11.0, 13.0):
        module.told(Told(1, voltage_mv=390_000, current_ma=39_000, status=frozenset()), now_s)
    assert settled(module, 13.0) == 40_000
    assert module.state(13.0) is ModuleState.ON
    return module


def test_a_module_counts_with_all_it_can_until_it_is_proven_off() -> None:
    module = infy()
    assert settled(module, 0.0) == 100_000
    off(module, 1.0)
    assert settled(module, 1.0) == 100_000, "said too soon to be the effect of switching off"
    off(module, 4.0)
    assert settled(module, 4.0) == 0
    assert module.state(4.0) is ModuleState.OFF


def test_saying_off_with_a_current_proves_nothing() -> None:
    module = infy()
    for now_s in (1.0, 4.0, 5.0):
        module.told(Told(1, voltage_mv=400_000, current_ma=5_000, status=OFF_BITS), now_s)
    assert settled(module, 5.0) == 100_000


def test_a_current_of_nought_without_saying_off_proves_nothing() -> None:
    module = infy()
    for now_s in (1.0, 4.0, 5.0):
        module.told(Told(1, voltage_mv=400_000, current_ma=0, status=frozenset()), now_s)
    assert settled(module, 5.0) == 100_000


def test_a_lower_order_counts_only_when_a_later_measurement_shows_it() -> None:
    module = running(infy())
    module.ordered(Order(400_000, 20_000), 14.0)
    module.told(Told(1, current_ma=19_000), 15.0)
    assert settled(module, 15.0) == 40_000
    module.told(Told(1, current_ma=39_000), 16.5)
    assert settled(module, 16.5) == 40_000
    module.told(Told(1, current_ma=19_000), 17.0)
    assert settled(module, 17.0) == 20_000


def test_a_model_that_acknowledges_must_have_done_so_late_enough() -> None:
    module = uu()
    module.told(Told(1, voltage_mv=0, current_ma=0), 9.5)
    module.ordered(Order(400_000, 20_000), 10.0)
    module.switched(on=True, now_s=10.0)
    module.told(Told(1, acknowledged="output"), 10.1)
    module.told(Told(1, voltage_mv=390_000, current_ma=19_000), 11.5)
    assert settled(module, 11.5) == 100_000
    module.told(Told(1, acknowledged="output"), 11.6)
    assert settled(module, 11.6) == 20_000


def test_r5_more_current_than_ordered_counts() -> None:
    module = running(infy())
    module.told(Told(1, current_ma=55_000), 14.0)
    assert settled(module, 14.0) == 55_000


def test_r1_a_silent_module_counts_until_its_time_out_after_the_last_frame_that_it_may_have_heard() -> None:
    module = running(infy())
    module.fed(19.0)
    assert module.state(16.5) is ModuleState.SILENT
    assert settled(module, 33.9) == 40_000
    assert module.state(33.9) is ModuleState.SILENT
    assert settled(module, 34.0) == 0
    assert module.state(34.0) is ModuleState.GONE


def test_r1_without_a_known_time_out_it_counts_for_ever() -> None:
    module = uu()
    module.ordered(Order(400_000, 20_000), 10.0)
    assert settled(module, 1e9) == 100_000
    assert not module.left_alone(1e9), "it may still hear an order to switch off"


def test_a_silent_module_is_told_to_switch_off_for_a_while_and_then_left_alone() -> None:
    module = running(infy())
    assert not module.left_alone(19.0)
    assert module.left_alone(19.1)
    assert settled(module, 60.0) == 0
    assert not module.left_alone(60.0), "it has switched off: it may be looked for again"


def test_nothing_that_a_silent_module_said_is_believed() -> None:
    module = running(infy())
    view = module.view(16.1)
    assert (view.voltage_mv, view.current_ma, view.alarms) == (None, None, frozenset())
    assert module.most_ma(400_000, 16.1) == 0


def test_a_module_that_returns_holds_its_last_order_until_it_is_proven_off() -> None:
    module = running(infy())
    assert settled(module, 60.0) == 0
    module.told(Told(1, voltage_mv=0, current_ma=0, status=OFF_BITS), 61.0)
    assert settled(module, 61.0) == 40_000
    module.told(Told(1, voltage_mv=0, current_ma=0, status=OFF_BITS), 63.5)
    assert settled(module, 63.5) == 0


def test_a_module_narrows_its_limits_and_never_widens_them() -> None:
    module = infy()
    module.told(Told(1, status=frozenset(), limits=ModuleLimits(200_000, 2_000_000, 60_000, 90_000)), 1.0)
    assert module.most_ma(400_000, 1.0) == 60_000
    assert module.most_ma(199_000, 1.0) == 0
    assert module.most_ma(1_000_001, 1.0) == 0
    assert module.most_ma(1_000_000, 1.0) == 30_000


def test_a_module_whose_limits_or_status_are_unknown_is_asked_for_nothing() -> None:
    module = infy()
    module.told(Told(1, voltage_mv=0, current_ma=0), 1.0)
    assert module.most_ma(400_000, 1.0) == 0
    off(module, 1.1)
    assert module.most_ma(400_000, 1.1) == 75_000


def test_two_identities_at_one_address_are_a_conflict_that_counts_twice() -> None:
    module = uu()
    for now_s, identity in ((1.0, 5), (1.1, 6)):
        module.told(Told(1, voltage_mv=0, current_ma=0, identity=identity), now_s)
    module.ordered(Order(400_000, 70_000), 1.2)
    assert settled(module, 1.2) == 140_000
    assert module.state(1.2) is ModuleState.CONFLICT
    assert module.most_ma(400_000, 1.2) == 0


def test_r1_a_module_that_answers_and_does_not_go_off_is_named_and_counts_on() -> None:
    module = running(infy())
    for now_s in (15.5, 18.0):
        module.told(Told(1, voltage_mv=390_000, current_ma=39_000, status=frozenset()), now_s)
    module.switched(on=False, now_s=20.0)
    for now_s in (21.0, 23.0, 25.0):
        module.told(Told(1, voltage_mv=390_000, current_ma=39_000, status=frozenset()), now_s)
    assert module.state(25.0) is ModuleState.UNPROVEN, "it has time for that"
    module.told(Told(1, voltage_mv=390_000, current_ma=39_000, status=frozenset()), 25.1)
    assert module.state(25.1) is ModuleState.STUCK
    assert settled(module, 25.1) == 40_000
    assert module.most_ma(400_000, 25.1) == 0
    off(module, 25.5)
    assert settled(module, 25.5) == 0
    assert module.state(25.5) is ModuleState.OFF


def test_r1_what_is_measured_after_an_order_that_was_not_sent_proves_nothing_of_it() -> None:
    module = running(infy())
    for now_s in (14.0, 15.5):
        module.ordered(Order(400_000, 20_000), now_s, sent=False)
    for now_s in (15.0, 17.0):
        module.told(Told(1, current_ma=19_000), now_s)
    assert settled(module, 17.0) == 40_000, "the vehicle may take no more just now"
    module.ordered(Order(400_000, 20_000), 17.0)
    module.told(Told(1, current_ma=19_000), 17.6)
    assert settled(module, 17.6) == 20_000


def test_a_model_without_status_that_delivers_nothing_for_long_is_no_longer_known_to_be_on() -> None:
    module = uu()
    module.told(Told(1, current_ma=0), 9.5)
    module.ordered(Order(400_000, 20_000), 10.0)
    module.switched(on=True, now_s=10.0)
    module.told(Told(1, acknowledged="switch"), 11.4)
    for now_s in (13.0, 15.0, 17.0):
        module.told(Told(1, voltage_mv=390_000, current_ma=19_000), now_s)
    assert module.confirmed_on(17.0)
    module.told(Told(1, voltage_mv=0, current_ma=0), 17.5)
    assert not module.confirmed_on(17.5), "it was without mains for a moment"
    module.told(Told(1, acknowledged="switch"), 17.6)
    for now_s in (19.0, 20.5, 22.0):
        module.told(Told(1, voltage_mv=0, current_ma=0), now_s)
    assert module.confirmed_on(22.5)
    assert not module.confirmed_on(22.7), "it is asked again each five seconds, not always"
