"""Power modules that fell silent: somebody may say that one cannot deliver any more (R1)."""

import logging
from typing import Protocol

from controller.charging.commands import ForgetModule, Outcome, Result
from drivers.api import DeviceError

_log = logging.getLogger(__name__)


class Modules(Protocol):
    def forget(self, module: str) -> None: ...


def words(module: str) -> str:
    """What somebody types who has looked."""
    return f"{module} has no mains"


def forget(modules: Modules, order: ForgetModule) -> Outcome:
    if " ".join(order.confirmed.split()).casefold() != words(order.module).casefold():
        return Outcome(
            Result.REFUSED, f"not done: look whether its mains are off, then type: {words(order.module)}"
        )
    try:
        modules.forget(order.module)
    except KeyError:
        return Outcome(Result.UNKNOWN, f"there is no power module {order.module}")
    except DeviceError as error:
        return Outcome(Result.REFUSED, str(error))
    _log.warning("%s: counts no more, somebody has confirmed that it has no mains or is taken out", order.module)
    return Outcome(
        Result.DONE,
        f"{order.module} counts no more until it answers. If it stays out, remove its address from site.toml: a "
        "restart counts it again.",
    )
