"""Dimming by section 14a EnWG (BNetzA BK6-22-300): what a grid operator leaves a site that shares it out itself.

P = 4.2 kW + (n - 1) * simultaneity factor * 4.2 kW for n controllable devices of more than 4.2 kW.
"""

from collections.abc import Iterable

LEAST_W = 4200
"""Of one device; also the size from which one counts."""
FACTORS_PERCENT = (100, 100, 80, 75, 70, 65, 60, 55, 50, 45)
"""By the number of devices; the last holds for more."""


def counted(devices_w: Iterable[int]) -> int:
    """How many of the devices, by the power of their connection, are controllable ones in that sense."""
    return sum(power_w > LEAST_W for power_w in devices_w)


def budget_w(devices: int) -> int:
    """What so many devices may draw together while they are dimmed; 0 for none."""
    if devices == 0:
        return 0
    factor = FACTORS_PERCENT[min(devices, len(FACTORS_PERCENT) - 1)]
    return LEAST_W + (devices - 1) * factor * LEAST_W // 100
