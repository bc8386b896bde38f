"""The broker of site.toml."""

from pathlib import Path

from controller.config.credentials import password
from controller.config.document import Document
from controller.mqtt.slice import MqttSlice

PLAIN_PORT = 1883
TLS_PORT = 8883


def read_mqtt(document: Document, folder: Path, problems: list[str]) -> MqttSlice | None:
    table = document.mqtt
    if table is None:
        problems.extend(
            f"limits[{limit.id}].source: mqtt needs a broker: add [mqtt] with its host"
            for limit in document.limits
            if limit.source == "mqtt"
        )
        return None
    tls = table.tls or table.ca_file is not None
    ca_file = folder / table.ca_file if table.ca_file else None
    if ca_file is not None and not ca_file.is_file():
        problems.append(f"mqtt.ca_file: there is no file {ca_file}")
    if table.password_file is not None and table.user is None:
        problems.append("mqtt.user: is missing, and a password belongs to a user")
    secret = None
    if table.password_file is not None:
        secret = password("mqtt.password_file", folder / table.password_file, problems)
    port = table.port or (TLS_PORT if tls else PLAIN_PORT)
    return MqttSlice(table.host, port, document.site.id, table.user, secret, tls, ca_file)
