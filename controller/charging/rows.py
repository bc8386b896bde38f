"""An EVSE's state as a versioned row of plain JSON values, explicitly, so that ten years can read it."""

from controller.charging.instant import Instant
from controller.charging.modes import Chosen, mode_from_row, mode_to_row
from controller.charging.records import ChargingState, StopReason, Trigger
from controller.charging.session import (
    Authorising,
    EvseState,
    Idle,
    Payer,
    Phase,
    Plug,
    Running,
    Starting,
    Stopping,
    Transaction,
    Waiting,
)
from controller.charging.tokens import BilledBy, Token

VERSION = 2
"""1 knew no mode that somebody chose."""
Row = dict[str, object]


class RowError(ValueError):
    """A stored state that this version cannot read."""


def token_to_row(token: Token) -> Row:
    return {
        "uid": token.uid,
        "shown": token.shown,
        "kind": token.kind,
        "group": token.group,
        "min_ma": token.min_ma,
        "billed_by": token.billed_by.value if token.billed_by else None,
    }


def token_from_row(row: object) -> Token:
    fields = _fields(row)
    billed_by = fields["billed_by"]
    return Token(
        uid=_text(fields["uid"]),
        shown=_text(fields["shown"]),
        kind=_text(fields["kind"]),
        group=_optional_text(fields["group"]),
        min_ma=_optional_number(fields["min_ma"]),
        billed_by=BilledBy(billed_by) if billed_by is not None else None,
    )


def state_to_row(state: EvseState) -> Row:
    return {
        "version": VERSION,
        "evse": state.evse,
        "phase": _phase_to_row(state.phase),
        "plug": _plug_to_row(state.plug) if state.plug else None,
        "operative": state.operative,
        "wanted_operative": state.wanted_operative,
        "fault": state.fault,
        "message": state.message,
        "rest_wh": state.rest_wh,
    }


def state_from_row(row: Row) -> EvseState:
    """The state that `state_to_row` wrote; a running transaction comes back unseen (R17).

    Raises:
        RowError: a version from the future, or a damaged row.
    """
    version = row.get("version")
    if type(version) is not int or version not in {1, VERSION}:
        raise RowError(f"stored EVSE state has version {version!r}, this program reads 1 to {VERSION}")
    try:
        row = _from_version_1(row) if version == 1 else row
        return EvseState(
            evse=_text(row["evse"]),
            phase=_phase_from_row(_fields(row["phase"])),
            plug=_plug_from_row(_fields(row["plug"])) if row["plug"] is not None else None,
            operative=_flag(row["operative"]),
            wanted_operative=_flag(row["wanted_operative"]),
            fault=_optional_text(row["fault"]),
            message=_optional_text(row["message"]),
            rest_wh=_optional_number(row["rest_wh"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RowError(f"stored EVSE state is damaged: {error!r}") from error


def _from_version_1(row: Row) -> Row:
    phase = _fields(row["phase"])
    if "transaction" not in phase:
        return row
    transaction = {**_fields(phase["transaction"]), "chosen": None}
    return {**row, "phase": {**phase, "transaction": transaction}}


def _plug_to_row(plug: Plug) -> Row:
    return {
        "id": plug.id,
        "since": plug.since.to_row(),
        "free_since": plug.free_since.to_row(),
        "counter": plug.counter,
        "finished": plug.finished,
    }


def _plug_from_row(row: Row) -> Plug:
    return Plug(
        id=_text(row["id"]),
        since=_instant(row["since"]),
        free_since=_instant(row["free_since"]),
        counter=_optional_number(row["counter"]),
        finished=_flag(row["finished"]),
    )


def _payer_to_row(payer: Payer) -> Row:
    return {
        "token": token_to_row(payer.token),
        "trigger": payer.trigger.value,
        "remote_start_id": payer.remote_start_id,
    }


def _payer_from_row(row: object) -> Payer:
    fields = _fields(row)
    return Payer(
        token=token_from_row(fields["token"]),
        trigger=Trigger(fields["trigger"]),
        remote_start_id=_optional_number(fields["remote_start_id"]),
    )


def _transaction_to_row(transaction: Transaction) -> Row:
    return {
        "id": transaction.id,
        "payer": _payer_to_row(transaction.payer),
        "billed_by": transaction.billed_by.value,
        "next_seq": transaction.next_seq,
        "started": transaction.started.to_row(),
        "start_wh": transaction.start_wh,
        "last_wh": transaction.last_wh,
        "last_at": transaction.last_at.to_row(),
        "looked": transaction.looked.to_row(),
        "sampled": transaction.sampled.to_row(),
        "state": transaction.state.value,
        "invalid": transaction.invalid,
        "chosen": _chosen_to_row(transaction.chosen) if transaction.chosen else None,
    }


def _transaction_from_row(row: object) -> Transaction:
    fields = _fields(row)
    return Transaction(
        id=_text(fields["id"]),
        payer=_payer_from_row(fields["payer"]),
        billed_by=BilledBy(fields["billed_by"]),
        next_seq=_number(fields["next_seq"]),
        started=_instant(fields["started"]),
        start_wh=_number(fields["start_wh"]),
        last_wh=_number(fields["last_wh"]),
        last_at=_instant(fields["last_at"]),
        looked=_instant(fields["looked"]),
        sampled=_instant(fields["sampled"]),
        state=ChargingState(fields["state"]),
        invalid=_flag(fields["invalid"]),
        chosen=_chosen_from_row(_fields(fields["chosen"])) if fields["chosen"] is not None else None,
    )


def _chosen_to_row(chosen: Chosen) -> Row:
    return {"mode": mode_to_row(chosen.mode), "at": chosen.at.to_row()}


def _chosen_from_row(row: Row) -> Chosen:
    return Chosen(mode_from_row(_fields(row["mode"])), _instant(row["at"]))


def _phase_to_row(phase: Phase) -> Row:
    match phase:
        case Idle():
            return {"name": "idle"}
        case Authorising(payer, since):
            return {"name": "authorising", "payer": _payer_to_row(payer), "since": since.to_row()}
        case Waiting(payer, until):
            return {"name": "waiting", "payer": _payer_to_row(payer), "until": until.to_row()}
        case Starting(payer, since):
            return {"name": "starting", "payer": _payer_to_row(payer), "since": since.to_row()}
        case Running(transaction):
            return {"name": "running", "transaction": _transaction_to_row(transaction)}
        case Stopping(transaction, reason, trigger, since, token, departed):
            return {
                "name": "stopping",
                "transaction": _transaction_to_row(transaction),
                "reason": reason.value,
                "trigger": trigger.value,
                "since": since.to_row(),
                "token": token_to_row(token) if token else None,
                "departed": departed,
            }


def _phase_from_row(row: Row) -> Phase:
    match row["name"]:
        case "idle":
            return Idle()
        case "authorising":
            return Authorising(_payer_from_row(row["payer"]), _instant(row["since"]))
        case "waiting":
            return Waiting(_payer_from_row(row["payer"]), _instant(row["until"]))
        case "starting":
            return Starting(_payer_from_row(row["payer"]), _instant(row["since"]))
        case "running":
            return Running(_transaction_from_row(row["transaction"]), unseen=True)
        case "stopping":
            return Stopping(
                _transaction_from_row(row["transaction"]),
                StopReason(row["reason"]),
                Trigger(row["trigger"]),
                _instant(row["since"]),
                token_from_row(row["token"]) if row["token"] is not None else None,
                _flag(row["departed"]),
            )
        case other:
            raise ValueError(f"phase {other!r}")


def _fields(row: object) -> Row:
    if not isinstance(row, dict):
        raise TypeError(f"expected a table, found {row!r}")
    return row


def _instant(row: object) -> Instant:
    return Instant.from_row(_fields(row))


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r}")
    return value


def _optional_number(value: object) -> int | None:
    return None if value is None else _number(value)


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)
