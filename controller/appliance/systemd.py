"""Tells systemd how the service is: readiness, watchdog, status (sd_notify(3), Type=notify)."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping


class Notifier:
    """Sends to the socket that systemd names in NOTIFY_SOCKET; without one every call does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        given = microseconds.isdecimal() and int(microseconds) > 0 and for_us
        self.watchdog_s = int(microseconds) / 1e6 if given else None

    def send(self, message: str) -> None:
        """One datagram such as READY=1; lost silently if systemd does not listen."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.encode(), address)
            except OSError:
                return

    async def feed_watchdog(self, healthy: Callable[[], bool]) -> None:
        """Feed the watchdog at a third of its time, and only while `healthy()`; for ever."""
        if self.watchdog_s is None:
            return
        while True:
            if healthy():
                self.send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 3)
