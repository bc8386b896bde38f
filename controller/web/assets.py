"""The page's own files, read once: no path of a request ever reaches the file system."""

from dataclasses import dataclass
from pathlib import Path

import jinja2

TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    media_type: str


def load_static() -> dict[str, Asset]:
    folder = Path(__file__).parent / "static"
    return {
        file.name: Asset(file.read_bytes(), TYPES[file.suffix]) for file in folder.iterdir() if file.suffix in TYPES
    }


def load_page() -> jinja2.Template:
    folder = Path(__file__).parent / "templates"
    loader = jinja2.FileSystemLoader(folder)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(
        "site.html"
    )
