"""The link to an MQTT broker: takes limits, tells how they stand, and is found again after any loss.

ampyard/<site>/limits/<id>/set      to us: a number, {"value": 16, "expires_s": 60}, or nothing to withdraw it
ampyard/<site>/limits/<id>/state    from us, retained: value, state, what it binds
ampyard/<site>/limits/<id>/refused  from us: why a message was not taken
ampyard/<site>/availability         from us, retained: online or offline (the will)
"""

import asyncio
import contextlib
import logging
import ssl
from random import SystemRandom

import aiomqtt

from controller.charging.commands import Ask, Result, SetLimit, Voice, WithdrawLimit
from controller.charging.view import Look
from controller.mqtt.payload import PayloadError, Said, decode, encode
from controller.mqtt.slice import MqttSlice

_log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
KEEPALIVE_S = 15
BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
SETTLED_S = 60.0
"""A connection that lasted this long starts the back-off from its beginning."""
PACE_S = 0.25
"""Least time between two rounds of publishing."""
MOST_WAITING = 100
"""Messages that may wait for us; a flood is dropped, not kept."""


class MqttEdge:
    """`alarm` says why there is no broker, None while there is."""

    def __init__(self, mqtt: MqttSlice, *, ask: Ask, look: Look) -> None:
        self.alarm: str | None = None
        self.connected = asyncio.Event()
        self._mqtt = mqtt
        self._ask = ask
        self._look = look
        self._news = asyncio.Event()
        self._told: dict[str, bytes] = {}

    def changed(self) -> None:
        """The view was replaced."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled. What a broker does wrong never ends it."""
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            since_s = loop.time()
            try:
                await self._stay_connected()
            except* (aiomqtt.MqttError, OSError, TimeoutError) as group:
                self._report(group.exceptions[0])
            attempt = 0 if loop.time() - since_s > SETTLED_S else attempt
            pause_s = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)] * SystemRandom().uniform(0.8, 1.2)
            attempt += 1
            await asyncio.sleep(pause_s)

    def _report(self, error: Exception) -> None:
        """Once per loss."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        why = str(error) or type(error).__name__
        text = f"the MQTT broker {self._mqtt.host}:{self._mqtt.port} is not connected: {why}"
        if self.alarm is None:
            _log.warning("%s", text)
        self.alarm = text

    async def _stay_connected(self) -> None:
        base = self._mqtt.base
        client = aiomqtt.Client(
            self._mqtt.host,
            self._mqtt.port,
            username=self._mqtt.user,
            password=self._mqtt.password,
            identifier=f"ampyard-{self._mqtt.site}",
            will=aiomqtt.Will(f"{base}/availability", b"offline", qos=1, retain=True),
            tls_context=self._tls(),
            timeout=TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            max_queued_incoming_messages=MOST_WAITING,
            logger=_log,
        )
        async with client:
            await client.subscribe(f"{base}/limits/+/set", qos=1)
            await client.publish(f"{base}/availability", b"online", qos=1, retain=True)
            self._told.clear()
            if self.alarm is not None:
                _log.info("the MQTT broker %s is connected again", self._mqtt.host)
            self.alarm = None
            self.connected.set()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client))
                    tasks.create_task(self._tell(client))
            finally:
                self.connected.clear()
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(f"{base}/availability", b"offline", qos=1, retain=True, timeout=1.0)

    def _tls(self) -> ssl.SSLContext | None:
        if not self._mqtt.tls:
            return None
        return ssl.create_default_context(cafile=self._mqtt.ca_file)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            limit = message.topic.value.split("/")[-2]
            why_not = await self._take(limit, bytes(message.payload), aged=message.retain)
            if why_not:
                _log.warning("limit %s by MQTT: %s", limit, why_not)
                await client.publish(f"{self._mqtt.base}/limits/{limit}/refused", why_not.encode(), qos=1)

    async def _take(self, limit: str, payload: bytes, *, aged: bool) -> str:
        """Why it was not taken; empty: it was."""
        try:
            said = decode(payload)
        except PayloadError as error:
            return str(error)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                outcome = await self._ask(_command(limit, said, aged=aged))
        except TimeoutError:
            return "the controller did not answer in time"
        return "" if outcome.result is Result.DONE else outcome.text

    async def _tell(self, client: aiomqtt.Client) -> None:
        while True:
            self._news.clear()
            fresh = {limit.id: encode(limit) for limit in self._look().limits}
            for gone in [name for name in self._told if name not in fresh]:
                await self._publish_state(client, gone, b"")
                del self._told[gone]
            for name, payload in fresh.items():
                if self._told.get(name) != payload:
                    await self._publish_state(client, name, payload)
                    self._told[name] = payload
            await asyncio.sleep(PACE_S)
            await self._news.wait()

    async def _publish_state(self, client: aiomqtt.Client, limit: str, payload: bytes) -> None:
        await client.publish(f"{self._mqtt.base}/limits/{limit}/state", payload, qos=1, retain=True)


def _command(limit: str, said: Said, *, aged: bool) -> SetLimit | WithdrawLimit:
    if said.value is None:
        return WithdrawLimit(limit, Voice.MQTT, aged)
    return SetLimit(limit, said.value, said.expires_s, Voice.MQTT, aged)
