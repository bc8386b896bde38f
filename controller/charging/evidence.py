"""What counts as evidence of the same plug-in (R17). Without it the card must be shown again.

Otherwise the next car charges on the last one's account.
"""

from controller.charging.instant import Instant
from controller.charging.rules import Rules
from controller.charging.session import EvseState, Plug, Resumed, Stopping, Transaction

START_WITHIN_S = 300.0
"""A start that is not complete by then is given up: whoever stands there now may be somebody else."""
MARGIN = 1.2
"""Meters and clocks differ; a plausible energy is at most this much above the highest power."""
MARGIN_WH = 100


def may_still_start(begun: Instant, at: Instant) -> bool:
    """Whether what was begun with a card may still become a transaction; never across a reboot of the machine."""
    return begun.boot == at.boot and at.seconds_since(begun) < START_WITHIN_S


def plug_after(plug: Plug | None, resumed: Resumed) -> Plug | None:
    """The plug as it stands after a down-time: the known one unless its counter says that it is another."""
    if not resumed.plugged:
        return None
    if plug is not None and _counters_agree(plug, resumed) is not False:
        return plug
    return Plug(resumed.id, resumed.at, resumed.at, resumed.counter)


def same_stay(state: EvseState, transaction: Transaction, resumed: Resumed, rules: Rules) -> bool:
    """Whether the register still belongs to this transaction: nobody else has been plugged in since.

    The charger's counter decides where both values of it are known; else a short down-time together with a
    register difference that the EVSE could have delivered in it.
    """
    departed = isinstance(state.phase, Stopping) and state.phase.departed
    agree = _counters_agree(state.plug, resumed) if state.plug is not None and not departed else None
    if agree is not None:
        return agree
    down_s = resumed.at.proven_seconds_since(transaction.last_at)
    if down_s is None or down_s > rules.resume_within_s:
        return False
    if resumed.register_wh is None:
        return isinstance(state.phase, Stopping)  # its last register is being waited for anyway
    most_wh = rules.max_power_w * MARGIN * down_s / 3600 + MARGIN_WH
    return 0 <= resumed.register_wh - transaction.last_wh <= most_wh


def _counters_agree(plug: Plug, resumed: Resumed) -> bool | None:
    """None: one of them is unknown."""
    if plug.counter is None or resumed.counter is None:
        return None
    return plug.counter == resumed.counter
