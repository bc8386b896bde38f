"""The demonstration passes unattended, and its verdict names what somebody broke on purpose."""

import asyncio
import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.demo.run import Demo, Saboteur, Stage, run_demo
from controller.demo.site import DemoError, Simulator
from controller.store.database import FILE

pytestmark = [pytest.mark.site, pytest.mark.timeout(240)]

MINUTES = 1.0
LONG_ENOUGH_TO_FAIL = 0.8


@dataclass(frozen=True, slots=True)
class Verdict:
    status: int
    report: dict[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        return {finding["check"]: finding["text"] for finding in self.report["findings"] if not finding["ok"]}


async def play(folder: Path, saboteur: Saboteur | None = None) -> Verdict:
    report = folder / "report.json"
    minutes = MINUTES if saboteur is None else LONG_ENOUGH_TO_FAIL
    status = await run_demo(Demo(minutes=minutes, report=report, folder=folder / "site", saboteur=saboteur))
    verdict = Verdict(status, json.loads(report.read_text(encoding="utf-8")))
    for log in ("ampyard.log", "sim.log"):
        print(f"---- {log}\n{(folder / 'site' / log).read_text(encoding='utf-8', errors='replace')[-4000:]}")
    print(verdict.failed)
    return verdict


async def test_it_passes_unattended(tmp_path: Path) -> None:
    verdict = await play(tmp_path)
    assert verdict.failed == {}
    assert (verdict.status, verdict.report["ok"]) == (0, True)
    told = " ".join(verdict.report["events"])
    assert "kill -9" in told
    assert "network is down" in told
    assert "building takes more" in told
    assert len(verdict.report["stays"]) >= 12


async def test_r05_a_car_that_ignores_its_limit_at_a_charger_that_cannot_stop_it_fails_its_circuit(
    tmp_path: Path,
) -> None:
    circuits: list[str] = []

    async def break_a_car(stage: Stage, moment: str) -> None:
        if moment != "before outage":
            return
        state = await stage.simulator.state()
        evse = next(evse for evse in state["evse"] if evse["contactor"])
        circuits.append(evse["circuit"])
        path = f"/v1/evse/{evse['n']}"
        await stage.simulator.post(f"{path}/charger", stuck_setpoint=True, welded=True)
        await stage.simulator.post(f"{path}/ev", ignores_limit=True, overdraw_ratio=8.0)

    verdict = await play(tmp_path, break_a_car)
    assert verdict.status == 1
    assert not verdict.report["ok"]
    [circuit] = circuits
    assert f"R4 circuit {circuit}" in verdict.failed


async def test_r25_a_lost_record_and_a_changed_repeat_are_each_named(tmp_path: Path) -> None:
    """Two faults at different transactions, both behind the dead controller's back; the CSMS is a naive one."""
    tamperer = Tamperer()
    verdict = await play(tmp_path, tamperer)
    assert verdict.status == 1
    assert "1 changed_repeats" in verdict.failed["CSMS"]
    card = f"card {tamperer.lost[-4:]}"
    assert any(check.startswith("R25 ") and check.endswith(card) for check in verdict.failed), verdict.failed


class Tamperer:
    """`lost` is the card whose transaction lost a record."""

    def __init__(self) -> None:
        self.lost = ""

    async def __call__(self, stage: Stage, moment: str) -> None:
        if moment == "step":
            await self._prepare(stage)
        if moment == "killed":
            with contextlib.closing(
                sqlite3.connect(stage.controller.state_dir / FILE, isolation_level=None)
            ) as file:
                changed = _change_what_was_sent(file)
                self.lost = _take_out_a_record(file, besides=changed)

    async def _prepare(self, stage: Stage) -> None:
        """Leave one message that the CSMS has and the controller does not know it has, then let others queue up."""
        simulator = stage.simulator
        await _connected(simulator)
        trouble = {"action": "TransactionEvent", "answer_lost": True, "times": 9}
        await simulator.post("/v1/csms/behaviour", dedupe=False, fail=trouble)
        charging = [evse for evse in (await simulator.state())["evse"] if evse["contactor"]]
        assert len(charging) >= 4
        poke = {"requestedMessage": "TransactionEvent", "evse": {"id": charging[0]["n"]}}
        with contextlib.suppress(DemoError):  # another message may have lost its answer, and the link with it
            await simulator.post("/v1/csms/call", action="TriggerMessage", payload=poke)
        await _an_answer_is_lost(simulator)
        await simulator.post("/v1/network", state="down")
        await simulator.post("/v1/csms/behaviour", fail={**trouble, "times": 0})
        for evse in charging[1:4]:
            await simulator.post(f"/v1/evse/{evse['n']}/ev", state="suspended")


async def _connected(simulator: Simulator) -> None:
    """An answer that the script lost a moment ago has cut the link; it comes back after its pause."""
    async with asyncio.timeout(20):
        while not (await simulator.state())["csms"]["connected"]:
            await asyncio.sleep(0.1)


async def _an_answer_is_lost(simulator: Simulator) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        while True:
            messages = (await http.get("/v1/csms/messages")).json()["messages"]
            if any(message["lost"] and message["mono_s"] > messages[-1]["mono_s"] - 3 for message in messages):
                return
            await asyncio.sleep(0.02)


OPEN = """
    SELECT delivery.seq, outbox.transaction_key, delivery.wire FROM delivery JOIN outbox USING (seq)
    WHERE delivery.state {} ORDER BY delivery.seq
"""


def _change_what_was_sent(file: sqlite3.Connection) -> str:
    """Rewrite the oldest message without an answer; its transaction."""
    seq, transaction, wire = file.execute(OPEN.format("= 'sent'")).fetchone()
    action, payload = json.loads(wire)
    payload["triggerReason"] = "SignedDataReceived"
    file.execute("UPDATE delivery SET wire = ? WHERE seq = ?", (json.dumps([action, payload]), seq))
    return str(transaction)


def _take_out_a_record(file: sqlite3.Connection, *, besides: str) -> str:
    """Take the first waiting message of another transaction out of the outbox; the card of that transaction."""
    waiting = file.execute(OPEN.format("<> 'acknowledged'")).fetchall()
    seq, transaction = next((seq, key) for seq, key, _ in waiting if key != besides)
    file.execute("DELETE FROM delivery WHERE seq = ?", (seq,))
    file.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
    records = (json.loads(text) for (text,) in file.execute("SELECT payload FROM ledger"))
    return str(
        next(r["token"]["uid"] for r in records if r["transaction"] == transaction and r["kind"] == "started")
    )
