"""A meter that answers, but always with the same values.

A steady load can look like that, so silence of the values alone proves nothing. Our own EVs do: when they must have
drawn at least 2 A more or less than at the last change of the meter, for 3 s, and it has not moved by a milliampere
or a watt, it does not measure any more (a CT that hangs loose, a gateway that repeats its last answer). When it
moves again, only what it says after that counts: of the reading that moved, a part may have been read before.
"""

from controller.allocation.memory import Metered, Sample
from drivers.api import MeterReading, Phases

MOVED_MA = 2000
SURE_AFTER_S = 3.0


def observe(known: Metered | None, reading: MeterReading, *, least_ma: Phases, most_ma: Phases) -> Metered:
    """A newer reading; the bounds are those of what our EVs drew at its moment."""
    sample = Sample(reading.t_s, reading.current_ma)
    if known is None:
        return Metered((sample,), reading, least_ma, most_ma)
    if known.moves_again:
        return Metered((sample,), reading, least_ma, most_ma)
    samples = (*known.samples, sample)[-2:]
    if not _same(known.newest, reading):
        if is_frozen(known):
            return known._replace(newest=reading, samples=samples, moves_again=True)
        return Metered(samples, reading, least_ma, most_ma)
    moved = any(
        low > most + MOVED_MA or high < least - MOVED_MA
        for low, high, least, most in zip(least_ma, most_ma, known.least_ma, known.most_ma, strict=True)
    )
    since_s = (reading.t_s if known.disagrees_s is None else known.disagrees_s) if moved else None
    if is_frozen(known):
        since_s = known.disagrees_s
    return Metered(samples, reading, known.least_ma, known.most_ma, since_s)


def is_frozen(seen: Metered) -> bool:
    return seen.disagrees_s is not None and seen.newest.t_s - seen.disagrees_s >= SURE_AFTER_S


def _same(one: MeterReading, other: MeterReading) -> bool:
    """Voltage and energy may move while the current transformers hang loose."""
    return (one.current_ma, one.power_w) == (other.current_ma, other.power_w)
