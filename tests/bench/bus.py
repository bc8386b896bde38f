"""The field bus: efficiency and dead units on throttled ptys, fan-out of a decision, CPU against other clients."""

from tests.bench import bus_cpu, bus_fanout, bus_speed
from tests.bench.rows import Options, Row


def run(options: Options) -> list[Row]:
    if options.thorough:
        return [*bus_speed.run(measure_s=10.0, steady_s=60.0), *bus_fanout.run(decisions=200), *bus_cpu.run()]
    return [*bus_speed.run(), *bus_fanout.run(), *bus_cpu.run()]
