"""acnportal's round robin, in a process and an environment of its own (`peer_venv`).

Reads a site per line as JSON and answers with the seconds of processor time that the schedule took and its
currents. It runs behind the interface for single schedules that acnportal ships; nothing is collected meanwhile.
"""

import gc
import json
import sys
import time
from typing import Any

from acnportal.algorithms import RoundRobin, first_come_first_served
from acnportal.algorithms.tests.testing_interface import TestingInterface

_VOLTS = 230.0
_PERIODS = 12


def interface(site: dict[str, Any]) -> TestingInterface:
    """`cars` stand in the order in which they are served; all rows count with their plain sum (angle 0)."""
    cars = site["cars"]
    matrix = [[0.0] * len(cars) for _ in site["room_a"]]
    for column, car in enumerate(cars):
        for link in car["links"]:
            matrix[link][column] += 1.0
    names = [car["id"] for car in cars]
    infrastructure = {
        "constraint_matrix": matrix,
        "constraint_limits": site["room_a"],
        "phases": [0.0] * len(cars),
        "voltages": [_VOLTS] * len(cars),
        "constraint_ids": [str(link) for link in range(len(site["room_a"]))],
        "station_ids": names,
        "max_pilot": [car["pilots_a"][-1] for car in cars],
        "min_pilot": [car["pilots_a"][1] for car in cars],
        "allowable_pilots": [car["pilots_a"] for car in cars],
        "is_continuous": [False] * len(cars),
    }
    sessions = [
        {
            "station_id": name,
            "session_id": name,
            "requested_energy": 1000.0,
            "energy_delivered": 0.0,
            "arrival": place - len(names),
            "departure": _PERIODS,
        }
        for place, name in enumerate(names)
    ]
    return TestingInterface(
        {"active_sessions": sessions, "infrastructure_info": infrastructure, "current_time": 0, "period": 5}
    )


def main() -> None:
    for line in sys.stdin:
        asked = interface(json.loads(line))
        algorithm = RoundRobin(first_come_first_served)
        algorithm.register_interface(asked)
        sessions = asked.active_sessions()
        gc.collect()
        gc.disable()
        begin = time.process_time()
        schedule = algorithm.schedule(sessions)
        taken_s = time.process_time() - begin
        gc.enable()
        currents = {name: float(rates[0]) for name, rates in schedule.items()}
        sys.stdout.write(json.dumps({"seconds": taken_s, "current_a": currents}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
