"""A silent power module counts for ever where its time-out is unknown, until somebody has looked (R1)."""

import logging

import pytest

from controller.charging.commands import ForgetModule, Result
from controller.charging.view import DeviceView
from controller.runtime.modules import forget
from drivers.api import Health
from tests.runtime.bench import Bench
from tests.runtime.test_wires import device, shared

LOOKED = "stack-2/1 has no mains"


@pytest.mark.parametrize("typed", [LOOKED, "  Stack-2/1  HAS no mains "])
async def test_r1_a_silent_module_is_left_out_once_somebody_has_confirmed_it(
    bench: Bench, caplog: pytest.LogCaptureFixture, typed: str
) -> None:
    async with bench.run(shared()):
        cluster = bench.clusters["dc:DC1"]
        cluster.silent["stack-2"] = {1}
        cluster.tell("stack-2/1", Health.LOST, "silent, counts with 100000 mA")
        bench.panorama.changed()
        told = "silent, counts with 100000 mA"
        assert device(bench, "stack-2/1") == DeviceView("stack-2/1", "module", "lost", told, silent=True)
        with caplog.at_level(logging.WARNING):
            outcome = forget(bench.plant.wires, ForgetModule("stack-2/1", typed))
        assert outcome.result is Result.DONE
        assert "stack-2/1" in caplog.text
        assert cluster.silent == {"stack-2": set()}
        bench.panorama.changed()
        assert not device(bench, "stack-2/1").silent


@pytest.mark.parametrize(
    ("module", "typed", "result", "told"),
    [
        ("stack-2/1", "", Result.REFUSED, LOOKED),
        ("stack-2/1", "stack-2/0 has no mains", Result.REFUSED, LOOKED),
        ("stack-2/0", "stack-2/0 has no mains", Result.REFUSED, "answers"),
        ("stack-7/1", "stack-7/1 has no mains", Result.UNKNOWN, "no power module stack-7/1"),
        ("stack-2", "stack-2 has no mains", Result.UNKNOWN, "no power module stack-2"),
        ("stack-2/x", "stack-2/x has no mains", Result.UNKNOWN, "no power module"),
    ],
)
async def test_r1_nothing_else_leaves_a_module_out(
    bench: Bench, module: str, typed: str, result: Result, told: str
) -> None:
    async with bench.run(shared()):
        bench.clusters["dc:DC1"].silent["stack-2"] = {1}
        outcome = forget(bench.plant.wires, ForgetModule(module, typed))
        assert outcome.result is result
        assert told in outcome.text
        assert bench.clusters["dc:DC1"].silent == {"stack-2": {1}}
