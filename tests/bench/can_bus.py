"""A CAN bus at 500 kbit/s and 60 % load: processor time of a frame, decoded, beside python-can with cantools."""

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.bus_rig import ROOT
from tests.bench.can_traffic import BITRATE, LOAD
from tests.bench.progress import steps
from tests.bench.rows import Options, Row

ROUNDS, MEASURE_S = 3, 6.0
MANY_ROUNDS, LONG_S = 7, 10.0
ENDS_WITHIN_S = 60.0
LEAST_LOAD = 0.9
"""Of the load: a machine that does not keep up says nothing about a full bus."""
USUAL_BITS = 131
"""Of an extended frame with eight bytes, without stuffing."""


def run(options: Options) -> list[Row]:
    rounds, measure_s = (MANY_ROUNDS, LONG_S) if options.thorough else (ROUNDS, MEASURE_S)
    found: dict[str, list[float]] = {"ours": [], "python-can": []}
    with traffic() as port:
        for turn in steps(range(2 * rounds), "CAN"):
            who = ("ours", "python-can")[turn % 2]
            found[who].append(_listen(who, port, measure_s))
    mine, theirs = statistics.median(found["ours"]), statistics.median(found["python-can"])
    said = (
        f"CPU of a received frame, decoded, on a CAN bus at {BITRATE // 1000} kbit/s and {100 * LOAD:.0f} % load: "
        "answers of the power modules of four families, mixed, over socketcand; whole process"
    )
    return [
        Row(
            "can_frame", said, mine, "us", peer=f"python-can's Notifier with cantools: {theirs:.0f} us",
            ratio=mine / theirs, reach=60.0, beyond=20.0,
        )
    ]  # fmt: skip


@contextmanager
def traffic() -> Iterator[int]:
    """The port at which a full bus can be listened to."""
    talker = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.can_traffic"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = talker.stdout.readline() if talker.stdout is not None else ""
        yield int(json.loads(line)["port"])
    finally:
        talker.communicate(timeout=ENDS_WITHIN_S)


def _listen(who: str, port: int, measure_s: float) -> float:
    """Microseconds; infinite after one wrong value, or where less came than the bus carries."""
    command = [sys.executable, "-m", "tests.bench.can_listener", who, str(port), str(measure_s)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    found = json.loads(done.stdout)
    load = found["frames"] * USUAL_BITS / BITRATE / found["passed_s"]
    if found["wrong"] or load < LEAST_LOAD * LOAD:
        return math.inf
    return 1e6 * float(found["cpu_s"]) / float(found["frames"])
