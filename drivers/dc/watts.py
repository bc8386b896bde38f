"""AC amperes and DC watts of one outlet, each into the other on the safe side. PURE."""

from fractions import Fraction

from drivers.api import Phases, Setpoint
from drivers.setups import DcSetup


def granted_w(setpoint: Setpoint, setup: DcSetup) -> int:
    """DC watts that a setpoint allows; 0 pauses."""
    if not setpoint.enabled or setpoint.current_ma < max(setup.min_ma, 1):
        return 0
    ac_ma = min(setpoint.current_ma, setup.max_ma)
    by_current_w = int(Fraction(ac_ma * setup.phases * setup.phase_mv, 1_000_000) * setup.efficiency)
    limits = [by_current_w, setup.max_power_w]
    if setpoint.power_w is not None:
        limits.append(setpoint.power_w)
    return max(0, min(limits))


def ac_ma(dc_w: int, setup: DcSetup) -> Phases:
    """Current per wired phase that so much DC power takes from the mains, rounded up."""
    exact = Fraction(dc_w * 1_000_000, setup.phases * setup.phase_mv) / setup.efficiency
    each_ma = -int(-exact // 1)
    return Phases(each_ma, each_ma, each_ma) if setup.phases == 3 else Phases(each_ma, 0, 0)
