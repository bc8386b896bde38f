"""One power module as seen from here: what it said and when, and the most that it may be delivering."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from drivers.can.families.told import ModuleLimits, Order, Told
from drivers.can.module_profile import ModuleProfile

NO_CURRENT_MA = 1000
"""A module that delivers less counts as off once it also says so."""
TOLERANCE_MA = 1000
LAST_CHANCE_S = 3.0
"""So long a module that fell silent is still told to switch off. Then it is left alone: a frame that it hears would
keep its own time-out from running."""
CONFLICT_S = 10.0
STUCK_S = 2.0
"""Beyond three polls or its time to settle: a module that answers, and is not off by then, does not switch off."""
ASKED_AGAIN_S = 5.0
"""A model that tells no status may have restarted if it delivers nothing: so often it is switched on again."""


class ModuleState(enum.Enum):
    UNPROVEN = "unproven"
    """It answers, and is not yet known to do what it was told."""
    OFF = "off"
    ON = "on"
    FAULT = "fault"
    CONFLICT = "conflict"
    """Another module has the same address."""
    STUCK = "does not switch off"
    """It answers, was told to be off for long enough, and does not show that it is."""
    SILENT = "silent"
    """It does not answer and may be live."""
    GONE = "gone"
    """It does not answer and has certainly switched off."""


class Timed(NamedTuple):
    value: int
    t_s: float


@dataclass(frozen=True, slots=True)
class ModuleView:
    """None: not known now. `bound_ma` always counts."""

    address: int
    state: ModuleState
    bound_ma: int
    voltage_mv: int | None
    current_ma: int | None
    alarms: frozenset[str]
    refused: str | None
    """What it last refused, and has not done since."""
    last_mv: int | None = None
    last_ma: int | None = None
    """What it measured last, however long ago."""
    heard_s: float = 0.0
    """When it last said anything."""

    @property
    def silent(self) -> bool:
        """It does not answer and may be live."""
        return self.state is ModuleState.SILENT


class Module:
    """Times are monotonic. Bounds rise with an order when it is queued, and fall only with proof."""

    def __init__(self, address: int, profile: ModuleProfile, *, acknowledges: bool, now_s: float) -> None:
        limits = profile.limits
        self.address = address
        self._status_bits = profile.status
        self._timing = profile.timing
        self._acknowledges = acknowledges
        self._limits = ModuleLimits(limits.voltage_min_mv, limits.voltage_max_mv, limits.current_ma, limits.power_w)
        self._own_limits = not limits.asked
        self._met = False
        self._heard_s = now_s
        self._fed_s = now_s
        self._voltage: Timed | None = None
        self._current: Timed | None = None
        self._status: tuple[frozenset[str], float] | None = None
        self._refused: str | None = None
        self._order: Order | None = None
        self._ordered_s = now_s
        self._output_ack_s = -1.0
        self._switched_s = now_s
        self._switch_ack_s = -1.0
        self._identity: int | None = None
        self._conflict_s: float | None = None
        self.on = False
        """What it was last told; a module that we find may be on all the same."""
        self.bound_ma = limits.current_ma
        """Until it is proven off it may deliver all it can: a controller before us may have asked for it."""
        self.prepared_s: float | None = None

    # What it says.

    def told(self, told: Told, now_s: float) -> None:
        if not self.fresh(now_s):
            self._returned(now_s)
        self._met = True
        self._heard_s = now_s
        self._measured(told, now_s)
        self._answered(told, now_s)
        self._identified(told.identity, now_s)

    def _returned(self, now_s: float) -> None:
        """It was away, perhaps without power: it is proven anew, and holds no more than its last order."""
        held_ma = self._limits.current_ma if self._order is None else self._order.current_ma
        self.bound_ma = max(self.bound_ma, held_ma)
        self.prepared_s = None
        self.on = False
        self._switched_s = now_s

    def _measured(self, told: Told, now_s: float) -> None:
        if told.voltage_mv is not None:
            self._voltage = Timed(told.voltage_mv, now_s)
        if told.current_ma is not None:
            self._current = Timed(told.current_ma, now_s)
            if told.current_ma > self.bound_ma + TOLERANCE_MA:
                self.bound_ma = told.current_ma
        if told.status is not None:
            self._status = (told.status, now_s)
        if told.limits is not None:
            self._limits = _lower(self._limits, told.limits)
            self._own_limits = True

    def _answered(self, told: Told, now_s: float) -> None:
        if told.refused is not None:
            self._refused = told.refused
        if told.acknowledged == "output":
            self._output_ack_s, self._refused = now_s, None
        if told.acknowledged == "switch":
            self._switch_ack_s, self._refused = now_s, None

    def _identified(self, identity: int | None, now_s: float) -> None:
        if identity is None:
            return
        if self._identity is not None and identity != self._identity:
            self._conflict_s = now_s
        self._identity = identity

    # What it was told.

    def fed(self, now_s: float) -> None:
        """A frame that it may hear was queued."""
        self._fed_s = now_s

    def ordered(self, order: Order, now_s: float, *, sent: bool = True) -> None:
        """`sent` False: it was not even queued, so that nothing measured from now on is its effect."""
        self.bound_ma = max(self.bound_ma, order.current_ma)
        if order != self._order or not sent:
            self._order = order
            self._ordered_s = now_s

    def switched(self, *, on: bool, now_s: float) -> None:
        if on != self.on:
            self.on = on
            self._switched_s = now_s
            self.prepared_s = None

    # What follows.

    def settle(self, now_s: float) -> None:
        """Lower the bound as far as there is proof."""
        if not self.fresh(now_s):
            if self.certainly_off(now_s):
                self.bound_ma = 0
        elif self.conflict(now_s):
            # Both hear every order, and each delivers it.
            self.bound_ma = max(self.bound_ma, 2 * self._order.current_ma if self._order is not None else 0)
        elif self.proven_off(now_s):
            self.bound_ma = 0
        elif self.on and self._order is not None and self._follows(self._order, now_s):
            self.bound_ma = min(self.bound_ma, self._order.current_ma)

    def _follows(self, order: Order, now_s: float) -> bool:
        current = self._current
        if current is None or now_s - current.t_s > self._timing.silent_s:
            return False
        # An answer that comes sooner may still be meant for the order before.
        settled_s = self._ordered_s + self._timing.settle_s
        acknowledged = not self._acknowledges or self._output_ack_s >= settled_s
        settled = current.t_s >= settled_s
        return acknowledged and settled and current.value <= order.current_ma + TOLERANCE_MA

    def fresh(self, now_s: float) -> bool:
        return self._met and now_s - self._heard_s <= self._timing.silent_s

    def certainly_off(self, now_s: float) -> bool:
        """Whether it heard nothing from us for longer than its own time-out; never where that is unknown."""
        limit_s = self._timing.switches_off_s
        return limit_s is not None and now_s - max(self._heard_s, self._fed_s) >= limit_s

    def proven_off(self, now_s: float) -> bool:
        """Told to be off, says that it is, and measures no current; all of it after it was told."""
        current = self._current
        if self.on or current is None or not self._since_switch(current.t_s, now_s) or self.conflict(now_s):
            return False
        return abs(current.value) <= NO_CURRENT_MA and self._says_off(now_s)

    def _says_off(self, now_s: float) -> bool:
        if self._status_bits.off is None:
            return self._since_switch(self._switch_ack_s, now_s, ever=True)
        if self._status is None:
            return False
        bits, t_s = self._status
        return self._status_bits.off in bits and self._since_switch(t_s, now_s)

    def _since_switch(self, t_s: float, now_s: float, *, ever: bool = False) -> bool:
        """Late enough to be the effect of the last switching; `ever`: an old answer still counts."""
        recent = ever or now_s - t_s <= self._timing.silent_s
        return recent and t_s >= self._switched_s + self._timing.settle_s

    def confirmed_on(self, now_s: float) -> bool:
        if not self.on:
            return False
        if self._status_bits.off is None:
            return self._since_switch(self._switch_ack_s, now_s, ever=True) and not self._dark(now_s)
        if self._status is None:
            return False
        bits, t_s = self._status
        return self._status_bits.off not in bits and self._since_switch(t_s, now_s)

    def _dark(self, now_s: float) -> bool:
        """It has confirmed long ago that it is on, and delivers nothing: it may have restarted since, unnoticed."""
        if self._order is None or self._current is None or now_s - self._switch_ack_s < ASKED_AGAIN_S:
            return False
        return self._order.current_ma > NO_CURRENT_MA and abs(self._current.value) <= NO_CURRENT_MA

    def stuck(self, now_s: float) -> bool:
        """It answers, and does not show that it is off though it was told so for long enough."""
        late_s = max(self._timing.settle_s, 3 * self._timing.poll_s) + STUCK_S
        told = not self.on and self.bound_ma > 0 and now_s - self._switched_s > late_s
        return told and self.fresh(now_s) and not self.proven_off(now_s)

    def left_alone(self, now_s: float) -> bool:
        """It is silent, and its own time-out must be allowed to run."""
        limit_s = self._timing.switches_off_s
        if limit_s is None or self.bound_ma == 0 or self.fresh(now_s):
            return False
        return now_s - self._heard_s > self._timing.silent_s + LAST_CHANCE_S

    def conflict(self, now_s: float) -> bool:
        recent = self._conflict_s is not None and now_s - self._conflict_s <= CONFLICT_S
        return recent or (self._status_bits.duplicate or "") in self.bits(now_s)

    def bits(self, now_s: float) -> frozenset[str]:
        if self._status is None or now_s - self._status[1] > self._timing.silent_s:
            return frozenset()
        return self._status[0]

    def faulty(self, now_s: float) -> bool:
        return bool(self.bits(now_s).intersection(self._status_bits.faults))

    def most_ma(self, voltage_mv: int, now_s: float) -> int:
        """What it may be asked for at that voltage; 0: nothing, for whatever reason."""
        limits = self._limits
        reachable = limits.voltage_min_mv <= voltage_mv <= limits.voltage_max_mv
        knows = self._own_limits and (self._status_bits.off is None or self._status is not None)
        if not (reachable and knows and self.fresh(now_s)) or self._unfit(now_s):
            return 0
        return min(limits.current_ma, limits.power_w * 1_000_000 // voltage_mv)

    def _unfit(self, now_s: float) -> bool:
        return self.faulty(now_s) or self.conflict(now_s) or self.stuck(now_s)

    def view(self, now_s: float) -> ModuleView:
        normal = {*self._status_bits.normal, self._status_bits.off}
        return ModuleView(
            address=self.address,
            state=self.state(now_s),
            bound_ma=self.bound_ma,
            voltage_mv=self._now(self._voltage, now_s),
            current_ma=self._now(self._current, now_s),
            alarms=frozenset(self.bits(now_s) - normal),
            refused=self._refused,
            last_mv=None if self._voltage is None else self._voltage.value,
            last_ma=None if self._current is None else self._current.value,
            heard_s=self._heard_s,
        )

    def _now(self, timed: Timed | None, now_s: float) -> int | None:
        return timed.value if timed is not None and now_s - timed.t_s <= self._timing.silent_s else None

    @property
    def measured_s(self) -> float | None:
        """When the older of voltage and current was received."""
        if self._voltage is None or self._current is None:
            return None
        return min(self._voltage.t_s, self._current.t_s)

    @property
    def met(self) -> bool:
        """Whether it ever answered."""
        return self._met

    @property
    def limits_known(self) -> bool:
        return self._own_limits

    def state(self, now_s: float) -> ModuleState:
        if not self.fresh(now_s):
            return ModuleState.SILENT if self.bound_ma else ModuleState.GONE
        if self.conflict(now_s):
            return ModuleState.CONFLICT
        if self.stuck(now_s):
            return ModuleState.STUCK
        if self.faulty(now_s):
            return ModuleState.FAULT
        if self.proven_off(now_s):
            return ModuleState.OFF
        return ModuleState.ON if self.confirmed_on(now_s) else ModuleState.UNPROVEN

    def prepared(self, now_s: float) -> bool:
        return self.prepared_s is not None and now_s - self.prepared_s >= self._timing.prepare_s


def _lower(ours: ModuleLimits, its: ModuleLimits) -> ModuleLimits:
    """The stricter of both. A module may only narrow what its device profile says."""
    return ModuleLimits(
        voltage_min_mv=max(ours.voltage_min_mv, its.voltage_min_mv),
        voltage_max_mv=min(ours.voltage_max_mv, its.voltage_max_mv),
        current_ma=min(ours.current_ma, its.current_ma),
        power_w=min(ours.power_w, its.power_w),
    )
