"""OCPP 1.6 as a dialect."""

from controller.charging.charging_profiles import OCPP16
from controller.csms import rpc
from controller.csms.dialect import Dialect
from controller.csms.ocpp16 import decode, encode
from controller.csms.schemas import Version

RULES = Dialect(
    version=Version.V16,
    subprotocol="ocpp1.6",
    wording=rpc.OCPP16,
    holds_transaction=False,
    rejected_answers=False,
    queues_samples=True,
    terms=OCPP16,
    boot=encode.boot,
    boot_answer=encode.boot_answer,
    authorize=encode.authorize,
    token_info=encode.token_info,
    entry=encode.entry,
    entry_reply=encode.entry_reply,
    status=encode.status,
    samples=encode.samples,
    decode=decode.decode,
    whole_status=encode.whole_status,
)
