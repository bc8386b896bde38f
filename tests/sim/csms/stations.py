"""A station that writes its frames by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection

from sim.csms.server import Csms


class Station:
    """Knows nothing of OCPP but the frame."""

    def __init__(self, socket: ClientConnection, ids: Iterator[int]) -> None:
        self.socket = socket
        self._ids = ids

    async def send(self, action: str, payload: dict[str, Any], *, unique_id: str | None = None) -> str:
        unique_id = unique_id or f"id-{next(self._ids)}"
        await self.socket.send(json.dumps([2, unique_id, action, payload]))
        return unique_id

    async def receive(self) -> list[Any]:
        async with asyncio.timeout(10):
            frame: list[Any] = json.loads(await self.socket.recv())
        return frame

    async def call(self, action: str, payload: dict[str, Any], *, unique_id: str | None = None) -> list[Any]:
        """The whole answering frame; its id must be the one sent."""
        sent = await self.send(action, payload, unique_id=unique_id)
        answer = await self.receive()
        assert answer[1] == sent
        return answer

    async def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = await self.call(action, payload)
        assert answer[0] == 3, answer
        result: dict[str, Any] = answer[2]
        return result

    async def boot(self) -> dict[str, Any]:
        if self.socket.subprotocol == "ocpp1.6":
            return await self.ask("BootNotification", {"chargePointVendor": "A", "chargePointModel": "B"})
        station = {"model": "B", "vendorName": "A"}
        return await self.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})

    async def stop(self, number: int, meter_stop: int = 5000, **changes: Any) -> dict[str, Any]:
        payload = {"transactionId": number, "meterStop": meter_stop, "timestamp": "2026-03-01T11:00:00Z"}
        return await self.ask("StopTransaction", {**payload, **changes})


Connect = Callable[..., Awaitable[Station]]
Open = Callable[..., Awaitable[tuple[Csms, int]]]
