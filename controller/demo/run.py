"""Plays the script against both processes, collects the evidence, and reports the verdict."""

import asyncio
import json
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from controller.demo.judge import Evidence, Finding, Observed, judge
from controller.demo.screen import Screen
from controller.demo.script import Outlet, Script, Stay, write
from controller.demo.site import Controller, DemoError, Simulator
from controller.store.errors import StoreError
from controller.store.store import Store

ROUND_S = 180.0
RESTART_S = 2.0
SETTLE_S = 4.0
"""After a plug-out: the charger opens, its register comes to rest."""
DRAIN_S = 90.0
"""How long the outbox may take to empty after the last car has left."""
STEP_A = {"l1_a": 33.0, "l2_a": 34.0, "l3_a": 31.0}
SEED = 20

Saboteur = Callable[["Stage", str], Awaitable[None]]
"""Breaks something on purpose at a named moment of the script; tests see by it that the verdict can fail."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What to play. `minutes` 0: round after round until Ctrl-C."""

    minutes: float
    report: Path | None
    folder: Path
    saboteur: Saboteur | None = None


@dataclass
class Stage:
    """The running demonstration."""

    demo: Demo
    simulator: Simulator
    controller: Controller
    screen: Screen
    started_s: float
    observed: list[Observed] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    may_tap: asyncio.Event = field(default_factory=asyncio.Event)

    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self.started_s

    async def until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - self.now_s()))

    def tell(self, text: str) -> None:
        self.events.append(f"{self.now_s():.1f} s {text}")
        self.screen.tell(self.now_s(), text)

    async def moment(self, name: str) -> None:
        if self.demo.saboteur is not None:
            await self.demo.saboteur(self, name)


async def run_demo(demo: Demo) -> int:
    """Play and judge; the exit status. Ctrl-C and SIGTERM end both processes before they end this one."""
    playing = asyncio.create_task(_run(demo))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        await asyncio.wait({playing})
    finally:
        playing.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if not playing.cancelled():
        return playing.result()
    Console().print("stopped")
    return 1 if demo.minutes else 0


async def _run(demo: Demo) -> int:
    try:
        await asyncio.to_thread(_fresh, demo.folder)
        simulator = await Simulator.start("demo", demo.folder)
    except DemoError as error:
        Console(stderr=True).print(str(error), markup=False)
        return 1
    controller = Controller(demo.folder)
    status = 1
    try:
        status = await _play(demo, simulator, controller)
    except* DemoError as errors:
        for fault in errors.exceptions:
            Console(stderr=True, soft_wrap=True).print(str(fault), markup=False)
    finally:
        await controller.stop()
        await simulator.stop()
    return status


def _fresh(folder: Path) -> None:
    """A demonstration starts from nothing, but clears away only what an earlier one has made."""
    mark = folder / ".ampyard-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DemoError(f"{folder} is not empty and not of an earlier demonstration: name another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


async def _play(demo: Demo, simulator: Simulator, controller: Controller) -> int:
    await controller.start()
    await controller.wait_until_up()
    state = await simulator.state()
    outlets = _outlets(state)
    with Screen(controller.url) as screen:
        stage = Stage(demo, simulator, controller, screen, asyncio.get_running_loop().time())
        watching = asyncio.create_task(_watch(stage))
        try:
            await _rounds(stage, outlets)
        finally:
            watching.cancel()
    return await _verdict(stage, state)


def _outlets(state: dict[str, Any]) -> list[Outlet]:
    alone = {reader["evses"][0]: reader["id"] for reader in state["readers"] if len(reader["evses"]) == 1}
    return [
        Outlet(evse["n"], evse["id"], alone[evse["id"]], long_uid=evse["circuit"] != "board-a")
        for evse in state["evse"]
    ]


async def _watch(stage: Stage) -> None:
    while True:
        stage.screen.show(await stage.controller.view())
        await asyncio.sleep(0.5)


async def _rounds(stage: Stage, outlets: list[Outlet]) -> None:
    minutes = stage.demo.minutes
    number = 0
    while True:
        await _round(stage, write(outlets, seconds=minutes * 60 or ROUND_S, seed=SEED, round_number=number))
        if minutes:
            return
        number += 1
        stage.started_s = asyncio.get_running_loop().time()


async def _round(stage: Stage, script: Script) -> None:
    stage.may_tap.set()
    async with asyncio.TaskGroup() as tasks:
        for stay in script.stays:
            tasks.create_task(_stay(stage, stay))
        tasks.create_task(_building(stage, script))
        tasks.create_task(_network(stage, script))
        tasks.create_task(_crash(stage, script))
    await stage.moment("quiet")
    await _drain(stage, script)


async def _stay(stage: Stage, stay: Stay) -> None:
    await stage.until(stay.arrive_s)
    name, before_wh = await _register(stage, stay.evse)
    path = f"/v1/evse/{stay.evse}"
    car = {"phases": stay.phases, "max_a": stay.max_a, "soc": stay.soc}
    await stage.may_tap.wait()
    if stay.tap_first:
        await _tap(stage, stay)
        await asyncio.sleep(1.5)
        await stage.simulator.post(f"{path}/plug_in", **car)
    else:
        await stage.simulator.post(f"{path}/plug_in", **car)
        await asyncio.sleep(1.5)
        await _tap(stage, stay)
    stage.tell(f"a car at {name}")
    await stage.until(stay.leave_s)
    await stage.may_tap.wait()
    if stay.stop_by_card:
        await _tap(stage, stay)
        await asyncio.sleep(SETTLE_S)
    await stage.simulator.post(f"{path}/unplug")
    stage.tell(f"{name} is free again")
    await asyncio.sleep(SETTLE_S)
    _, after_wh = await _register(stage, stay.evse)
    stage.observed.append(Observed(stay.evse, name, stay.uid, before_wh, after_wh))


async def _tap(stage: Stage, stay: Stay) -> None:
    await stage.simulator.post(f"/v1/reader/{stay.reader}/tap", uid=stay.uid)


async def _register(stage: Stage, number: int) -> tuple[str, float]:
    state = await stage.simulator.state()
    evse = next(evse for evse in state["evse"] if evse["n"] == number)
    return evse["id"], float(evse["energy_register_wh"])


async def _building(stage: Stage, script: Script) -> None:
    await stage.until(script.step_s)
    before = next(c for c in (await stage.simulator.state())["circuits"] if c["name"] == "main")["load_a"]
    await stage.simulator.post("/v1/load", circuit="main", **STEP_A)
    stage.tell("the building takes more")
    await stage.moment("step")
    await stage.until(script.step_back_s)
    calm = dict(zip(STEP_A, before, strict=True))
    await stage.simulator.post("/v1/load", circuit="main", **calm)
    stage.tell("the building takes less")


async def _network(stage: Stage, script: Script) -> None:
    await stage.until(script.answer_lost_s)
    fault = {"action": "TransactionEvent", "answer_lost": True, "times": 1}
    await stage.simulator.post("/v1/csms/behaviour", fail=fault)
    stage.tell("the next answer of the CSMS gets lost")
    await stage.until(script.outage_s)
    await stage.moment("before outage")
    await stage.simulator.post("/v1/network", state="down")
    stage.tell("the network is down")
    await stage.until(script.outage_end_s)
    await stage.simulator.post("/v1/network", state="up")
    stage.tell("the network is up")


async def _crash(stage: Stage, script: Script) -> None:
    await stage.until(script.kill_s)
    stage.may_tap.clear()
    await stage.controller.kill()
    stage.tell("kill -9 of the controller")
    await stage.moment("killed")
    await asyncio.sleep(RESTART_S)
    await stage.controller.start()
    await stage.controller.wait_until_up()
    stage.tell("the controller is back")
    stage.may_tap.set()


async def _drain(stage: Stage, script: Script) -> None:
    """Wait until nothing is queued; the CSMS has it all, or the verdict says what is missing."""
    deadline_s = max(script.end_s, stage.now_s() + DRAIN_S)
    while stage.now_s() < deadline_s:
        view = await stage.controller.view()
        if view is not None and _idle(view):
            return
        await asyncio.sleep(0.5)


def _idle(view: dict[str, Any]) -> bool:
    drained = all(link["connected"] and link["outbox_depth"] == 0 for link in view["csms"])
    return drained and all(evse["transaction"] is None for evse in view["evses"])


async def _verdict(stage: Stage, start: dict[str, Any]) -> int:
    await stage.controller.stop()
    end = await stage.simulator.state()
    evidence = Evidence(
        circuits=end["circuits"],
        csms=end["csms"],
        stays=stage.observed,
        registers_start={evse["id"]: evse["energy_register_wh"] for evse in start["evse"]},
        registers_end={evse["id"]: evse["energy_register_wh"] for evse in end["evse"]},
        ledger=await _ledger(stage.controller.state_dir),
        events=stage.events,
    )
    findings = judge(evidence)
    if stage.demo.report is not None:
        await asyncio.to_thread(_report, stage.demo.report, evidence, findings)
    _print(findings)
    return 0 if all(finding.ok for finding in findings) else 1


async def _ledger(state_dir: Path) -> str:
    store = Store(state_dir)
    try:
        await store.open()
    except StoreError as error:
        return str(error)
    try:
        broken = await store.verify()
    finally:
        await store.close()
    return "" if broken is None else str(broken)


def _report(path: Path, evidence: Evidence, findings: tuple[Finding, ...]) -> None:
    report = {
        "ok": all(finding.ok for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        **asdict(evidence),
    }
    path.write_text(json.dumps(report, indent=2), encoding="utf-8")


def _print(findings: tuple[Finding, ...]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    failed = [finding for finding in findings if not finding.ok]
    for finding in findings:
        console.print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.check}: {finding.text}", markup=False)
    console.print(f"{len(findings) - len(failed)} of {len(findings)} checks passed", style="bold")
