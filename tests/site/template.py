"""`python -m tests.site.template SOCKET`: has loaded the product, and forks for each process of it that is ordered.

Loading takes a second of a processor, and the tests of whole sites start two hundred processes. Each is one of its
own as ever, with its own memory, files, group and end; only what is to be loaded is there already.

Whoever wants one connects and sends a line of JSON, `Order`; the answers are its pid and, when it has ended, its
status. All of them die with this process, and it dies with the worker that started it.
"""

import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypedDict

LOADED = ("controller.__main__", "controller.service", "controller.web.server", "sim.__main__")
READY = b"READY\n"
PR_SET_PDEATHSIG = 1


class Order(TypedDict):
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: str


def main() -> None:
    _die_with_parent()
    for name in LOADED:
        import_module(name)
    for name in ("controller.__main__", "sim.__main__"):
        del sys.modules[name]  # runpy makes them anew
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        os.write(1, READY)
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return _serve(caller)
            caller.close()


def _serve(caller: socket.socket) -> None:
    """In a process of its own: make the ordered one, and wait for its end."""
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with caller, caller.makefile("rwb", buffering=0) as line:
        order: Order = json.loads(line.readline())
        pid = os.fork()
        if pid != 0:
            _lead_group(pid)
            line.write(b"%d\n" % pid)
            _, status = os.waitpid(pid, 0)
            line.write(b"%d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
    _become(order)


def _become(order: Order) -> None:
    _die_with_parent()
    _lead_group(0)
    with Path(order["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
        for source, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source.fileno(), number)
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _lead_group(pid: int) -> None:
    """Both sides do it, so that neither has to wait for the other."""
    try:
        os.setpgid(pid, pid)
    except (PermissionError, ProcessLookupError):
        return


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
