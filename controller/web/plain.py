"""The site view as JSON: field names as in the dataclasses, phases as [L1, L2, L3], enums by value."""

import enum
import json
from dataclasses import asdict

from controller.charging.view import Look, SiteView


def _value(member: object) -> object:
    if isinstance(member, enum.Enum):
        return member.value
    raise TypeError(f"{type(member).__name__} has no JSON form")


def to_json(view: SiteView) -> bytes:
    return json.dumps(asdict(view), default=_value, separators=(",", ":")).encode()


class PlainSite:
    """Encodes each view once, however many clients ask: the runtime replaces the view, it never edits it."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._encoded: tuple[SiteView, bytes] | None = None

    def json(self) -> bytes:
        view = self._look()
        if self._encoded is None or self._encoded[0] is not view:
            self._encoded = (view, to_json(view))
        return self._encoded[1]
