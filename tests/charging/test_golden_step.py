"""The whole table state x event of the session as a text that can be read and compared."""

import os
from pathlib import Path

from controller.charging.derive import deadline, permit, wants
from controller.charging.modes import mode_text
from controller.charging.records import Entry, TransactionEnded, TransactionStarted, TransactionUpdated
from controller.charging.rules import Rules
from controller.charging.session import EvseState, Running, Stopping, Waiting
from controller.charging.step import step
from tests.charging.samples import EVENTS, STATES, at

GOLDEN = Path(__file__).with_name("golden_step.txt")
UPDATE = "AMPYARD_UPDATE_GOLDEN"
HEAD = """\
Table state x event of controller/charging/step.py, under the default rules.
A line per event that changes something: resulting phase; plug; permit; what is wanted; the entries.
Events that leave the state as it is and write nothing are listed last.
Rewrite with AMPYARD_UPDATE_GOLDEN=1 pytest tests/charging, and read the difference.
"""


def phase_text(state: EvseState) -> str:
    text = type(state.phase).__name__
    match state.phase:
        case Running(transaction, unseen):
            text += ", invalid" if transaction.invalid else ""
            text += ", unseen" if unseen else ""
            text += f", {mode_text(transaction.chosen.mode)}" if transaction.chosen else ""
            text += f", proven {transaction.last_wh} Wh at {transaction.last_at.seconds_since(at(0)):g} s"
        case Waiting(_, until):
            text += f" until {until.seconds_since(at(0)):g} s"
        case Stopping(reason=reason, departed=departed):
            text += f" {reason.value}" + (", departed" if departed else "")
        case _:
            pass
    return text


def plug_text(state: EvseState) -> str:
    if state.plug is None:
        return "no plug"
    return state.plug.id + (" finished" if state.plug.finished else "")


def entry_text(entry: Entry) -> str:
    words = [f"#{entry.seq}", entry.trigger.value, entry.state.value]
    match entry:
        case TransactionStarted(token=token, billed_by=billed_by, meter=meter):
            words = ["STARTED", *words, f"{token.uid} {billed_by.value} {meter.energy_wh} Wh"]
        case TransactionUpdated(meter=meter):
            words = ["UPDATED", *words, f"{meter.energy_wh} Wh" if meter else "no meter"]
        case TransactionEnded(reason=reason, meter=meter, token=token, estimated=estimated):
            words = ["ENDED", *words, reason.value, f"{meter.energy_wh} Wh", "estimated" if estimated else "read"]
            words += [f"by {token.uid}"] if token else []
    return " ".join(words)


def line(name: str, after: EvseState, entries: tuple[Entry, ...]) -> str:
    want = wants(after)
    parts = [phase_text(after), plug_text(after), "permit" if permit(after) else "-"]
    parts.append(type(want).__name__ if want else "-")
    parts += [entry_text(entry) for entry in entries]
    parts += [] if after.operative and after.wanted_operative else [operative_text(after)]
    parts += [f"fault {after.fault}"] if after.fault else []
    parts += [f'"{after.message}"'] if after.message else []
    return f"  {name:<36} {'; '.join(parts)}"


def operative_text(state: EvseState) -> str:
    return "inoperative" if not state.operative else "inoperative when ended"


def table() -> str:
    blocks = [HEAD]
    for title, before in STATES.items():
        due = deadline(before, Rules())
        lines = [f"{title} (deadline {f'{due.seconds_since(at(0)):g} s' if due else 'none'})"]
        unmoved = []
        for name, event in EVENTS.items():
            after, entries = step(before, event, Rules())
            if after == before and not entries:
                unmoved.append(name)
            else:
                lines.append(line(name, after, entries))
        lines.append("  unmoved by: " + ("; ".join(unmoved) or "nothing"))
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def test_every_state_answers_every_event_as_the_golden_table_says() -> None:
    found = table()
    if os.environ.get(UPDATE) == "1":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")
