"""OCPP 2.0.1 as a dialect."""

from controller.csms import rpc
from controller.csms.dialect import Dialect
from controller.csms.ocpp2 import decode, encode
from controller.csms.schemas import Version

RULES = Dialect(
    version=Version.V201,
    subprotocol="ocpp2.0.1",
    wording=rpc.OCPP2,
    holds_transaction=True,
    rejected_answers=True,
    queues_samples=False,
    boot=encode.boot,
    boot_answer=encode.boot_answer,
    authorize=encode.authorize,
    token_info=encode.token_info,
    entry=encode.entry,
    entry_reply=encode.entry_reply,
    status=encode.status,
    samples=encode.samples,
    decode=decode.decode,
)
