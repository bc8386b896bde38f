"""From the decision to reduce every charger to the last acknowledgement, while all wires are fully polled."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from drivers.modbus.blocks import char_s, gap_s, packing, plan
from drivers.modbus.codec import point
from drivers.modbus.reading import evse_registers
from drivers.profile import builtin_folder, catalogue
from drivers.setups import Endpoint, Line
from tests.bench.bus_rig import LineSettings, serial_slaves, tcp_slaves
from tests.bench.bus_site import Charger, Model, polled, word_at
from tests.bench.calibration import quiet
from tests.bench.rows import Row

BUSES, CHARGERS, BAUD = 5, 10, 19200
TURNAROUND_S = 0.005
DECISIONS = 40
PAUSE_S = (0.25, 0.45)
TCP_DECISIONS = 5
"""So many times more on TCP, where one takes milliseconds and a busy machine shows."""
TCP_PAUSE_S = (0.03, 0.09)
TCP_PERIOD_S = 0.5
"""The product's own."""
READ, WRITE = 8 + 5, 8 + 8
"""Characters of frames around the registers of a read, and of a write of one register."""

Wires = Sequence[tuple[Line | Endpoint, Sequence[Model]]]


@dataclass(frozen=True, slots=True)
class Minimum:
    """What no scheduler can do faster on a wire: all its writes, behind one block that was under way."""

    line: Line

    def write_s(self) -> float:
        return WRITE * char_s(self.line) + TURNAROUND_S + gap_s(self.line)

    def block_s(self, registers: int) -> float:
        return (READ + 2 * registers) * char_s(self.line) + TURNAROUND_S + gap_s(self.line)

    def of(self, models: Sequence[Model]) -> float:
        """A unit that needs spacing may have been asked just now: its write waits for that."""
        block_s = max(self.block_s(_longest(model)) for model in models)
        spaced_s = max(model.spacing_s for model in models) + self.write_s()
        return block_s + max(len(models) * self.write_s(), spaced_s)


def run(*, decisions: int = DECISIONS) -> list[Row]:
    return [_plain(decisions), *_mixed(decisions), *_tcp(decisions)]


def _plain(decisions: int) -> Row:
    took_s, least_s = _serial([[Model()] * CHARGERS] * BUSES, decisions)
    return Row(
        "bus_cut_rtu",
        "50 chargers on 5 RTU buses at 19200 under full polling, decision to the last write acknowledged, p99",
        1000 * took_s,
        "ms",
        peer=f"computed minimum {1000 * least_s:.0f} ms",
        ratio=took_s / least_s,
        reach=200.0,
        beyond=1000 * 1.05 * least_s,
    )


def _mixed(decisions: int) -> list[Row]:
    took_s, least_s = _serial([_mixed_models(bus) for bus in range(BUSES)], decisions)
    return [
        Row(
            "bus_cut_rtu_spacing",
            "the same with blocks and spacing of the shipped profiles, against the computed minimum, p99",
            1000 * took_s,
            "ms",
            peer=f"computed minimum {1000 * least_s:.0f} ms",
            ratio=took_s / least_s,
            reach=1.1,
            beyond=1.03,
            judged="ratio",
        )
    ]


def _tcp(decisions: int) -> list[Row]:
    rows = []
    for name, what, period_s in (
        ("bus_cut_tcp", "polled as in the product", TCP_PERIOD_S),
        ("bus_cut_tcp_saturated", "polled without any pause", 0.0),
    ):
        with tcp_slaves(BUSES * CHARGERS) as endpoints, quiet():
            wires = [(endpoint, [Model()]) for endpoint in endpoints]
            took_s = asyncio.run(_decide(wires, TCP_DECISIONS * decisions, period_s=period_s, pause_s=TCP_PAUSE_S))
        judged = period_s > 0
        rows.append(
            Row(
                name,
                f"50 chargers on TCP {what}, decision to the last write acknowledged, p99",
                1000 * took_s,
                "ms",
                reach=15.0 if judged else None,
                beyond=5.0 if judged else None,
                wall=True,
            )
        )
    return rows


def _serial(models: Sequence[Sequence[Model]], decisions: int) -> tuple[float, float]:
    """The 99th percentile, infinite after a violation of the gap; and the minimum of the slowest wire."""
    with ExitStack() as stack, quiet():
        rigs = [
            stack.enter_context(serial_slaves(LineSettings(BAUD, (TURNAROUND_S, TURNAROUND_S), seed=seed)))
            for seed in range(len(models))
        ]
        wires = [(line, members) for (_, line), members in zip(rigs, models, strict=True)]
        took_s = asyncio.run(_decide(wires, decisions))
        violated = any(slaves.report().violations for slaves, _ in rigs)
        least_s = max(Minimum(line).of(members) for line, members in wires)
    return (math.inf if violated else took_s), least_s


async def _decide(
    wires: Wires, decisions: int, *, period_s: float = 0.0, pause_s: tuple[float, float] = PAUSE_S
) -> float:
    rng = random.Random(7)
    took_s = []
    async with polled(wires, period_s=period_s) as chargers:
        for turn in range(decisions):
            await asyncio.sleep(rng.uniform(*pause_s))
            took_s.append(await _cut(chargers, 1000 - turn))
    return sorted(took_s)[math.ceil(0.99 * len(took_s)) - 1]


async def _cut(chargers: Sequence[Charger], value: int) -> float:
    begin_s = time.monotonic()
    await asyncio.gather(*(charger.cut(value) for charger in chargers))
    return time.monotonic() - begin_s


def _mixed_models(bus: int) -> list[Model]:
    """The shipped chargers with a serial port in turn, so that each bus holds several models."""
    profiles = [
        profile
        for profile in catalogue(builtin_folder()).values()
        if profile.kind == "charger" and profile.rtu is not None
    ]
    line = Line("-", BAUD, "N", 1)
    models = []
    for place in range(CHARGERS):
        profile = profiles[(bus + place) % len(profiles)]
        fits = packing(line, profile)
        points = [point(profile, name) for name in evse_registers(profile, "fast")]
        addresses = sorted({one.address + word for one in points for word in range(one.width)})
        models.append(Model(addresses, fits, profile.modbus.spacing_ms / 1000))
    return models


def _longest(model: Model) -> int:
    return max(block.count for block in plan([word_at(address) for address in model.addresses], model.packing))
