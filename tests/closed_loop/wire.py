"""From a planned setpoint to the charger that holds it, in virtual time.

Behaves as `runtime.actuator` and the drivers do: one write at a time, a cut overtakes, an equal setpoint is not
written again, a refusal changes nothing, and a setpoint that nobody renews ends in the fail-safe current.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.chargers import ChargeController

NO_ANSWER_S = 1.0
"""A write that nobody acknowledges has failed after so long."""


class Order(NamedTuple):
    current_ma: int
    enabled: bool


@dataclass
class Bus:
    """Carries one write at a time."""

    write_s: float = 0.05
    works: bool = True
    free_s: float = 0.0

    def transfer(self, now_s: float) -> float:
        """When a write that is handed over now has reached its device."""
        self.free_s = max(now_s, self.free_s) + self.write_s
        return self.free_s


@dataclass
class _Transfer:
    order: Order
    arrives_s: float
    ends_s: float
    arrived: bool = False
    refused: bool = False


@dataclass
class Wire:
    """The controller's end of one charger; `answers` says whether the charger's end hears and answers."""

    charger: ChargeController
    bus: Bus
    dice: random.Random
    confirm_s: float
    failsafe_ma: int
    answers: Callable[[], bool]
    commanded_ma: int | None = None
    confirmed_ma: int | None = None
    confirmed_s: float | None = None
    _held: Order | None = None
    _wanted: Order | None = None
    _newest: Order | None = None
    _writing: bool = False
    _unsettled_ma: int = 0
    _valid_until_s: float | None = None
    _transfers: list[_Transfer] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return bool(self._transfers)

    def command(self, order: Order, now_s: float, *, lease_s: float) -> None:
        self._wanted = order
        self._valid_until_s = now_s + lease_s
        self._go(now_s)

    def forget(self) -> None:
        self.confirmed_ma = self.confirmed_s = self._held = None

    def feeds(self, now_s: float) -> bool:
        """The driver keeps the charger's watchdog quiet while its setpoint may be believed."""
        return self._valid_until_s is None or now_s <= self._valid_until_s

    def live(self, now_s: float) -> None:
        for one in list(self._transfers):
            self._carry(one, now_s)
        self._go(now_s)

    def expire(self, now_s: float) -> None:
        """What the driver does by itself when its setpoint may not be believed any more."""
        if self.feeds(now_s):
            return
        fallen = Order(self.failsafe_ma, enabled=True)
        if self._held is not None and self._held.current_ma > fallen.current_ma and self._newest != fallen:
            self._wanted = fallen
            self._go(now_s)

    def _go(self, now_s: float) -> None:
        order = self._wanted
        if order is None or (self._writing and not self._is_cut(order)):
            return
        self._wanted = None
        if order == self._held and not self._writing:
            self.commanded_ma = self.confirmed_ma = order.current_ma
            self.confirmed_s = now_s
            return
        if self._writing and self._newest is not None:
            self._unsettled_ma = max(self._unsettled_ma, self._newest.current_ma)
        self.commanded_ma = max(order.current_ma, self._unsettled_ma)
        self._newest, self._writing = order, True
        arrives_s = self.bus.transfer(now_s)
        self._transfers.append(_Transfer(order, arrives_s, arrives_s + self.confirm_s))

    def _is_cut(self, order: Order) -> bool:
        newest = self._newest
        return newest is not None and (
            order.current_ma < newest.current_ma or (newest.enabled and not order.enabled)
        )

    def _carry(self, one: _Transfer, now_s: float) -> None:
        if not one.arrived and not one.refused and now_s >= one.arrives_s - 1e-9:
            self._arrive(one, now_s)
        if one.arrived or one.refused:
            if now_s >= one.ends_s - 1e-9:
                self._end(one, now_s)
        elif now_s >= one.arrives_s + NO_ANSWER_S:
            self._transfers.remove(one)
            self._fail(one)

    def _arrive(self, one: _Transfer, now_s: float) -> None:
        if not self.answers():
            return
        if self.dice.random() < self.charger.reject_rate:
            one.refused = True
            return
        one.arrived = True
        self.charger.write_limit(one.order.current_ma / 1000, now_s)
        if one.order.enabled != self.charger.enabled:
            self.charger.write_enabled(one.order.enabled, now_s)

    def _end(self, one: _Transfer, now_s: float) -> None:
        self._transfers.remove(one)
        if one.arrived:
            self._held = one.order
        if one.order is not self._newest:
            return
        self._writing = False
        if one.arrived:
            self._unsettled_ma = 0
            self.commanded_ma = self.confirmed_ma = one.order.current_ma
            self.confirmed_s = now_s

    def _fail(self, one: _Transfer) -> None:
        if one.order is self._newest:
            self._writing = False
            self._held = None
            self._unsettled_ma = max(self._unsettled_ma, one.order.current_ma)
