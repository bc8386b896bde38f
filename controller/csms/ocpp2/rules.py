"""OCPP 2.0.1 as a dialect."""

from controller.charging.charging_profiles import OCPP2
from controller.csms import rpc
from controller.csms.dialect import Dialect
from controller.csms.ocpp2 import decode, encode, profiles
from controller.csms.schemas import Version

RULES = Dialect(
    version=Version.V201,
    subprotocol="ocpp2.0.1",
    wording=rpc.OCPP2,
    holds_transaction=True,
    rejected_answers=True,
    queues_samples=False,
    terms=OCPP2,
    boot=encode.boot,
    boot_answer=encode.boot_answer,
    authorize=encode.authorize,
    token_info=encode.token_info,
    entry=encode.entry,
    entry_reply=encode.entry_reply,
    status=encode.status,
    samples=encode.samples,
    decode=decode.decode,
    external_limit=profiles.external_limit,
)
