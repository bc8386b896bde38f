"""Misspelt keys of site.toml: which keys there are at a place, and which of them was meant."""

from collections.abc import Iterator
from typing import get_args

from controller.config.document import Document
from controller.config.fields import Table
from drivers.spelling import nearest

Location = tuple[int | str, ...]


def key_meant(location: Location) -> str | None:
    """The key that an unknown one at this place was probably meant to be."""
    return nearest(str(location[-1]), {key for table in _tables_at(location[:-1]) for key, _ in _keys(table)})


def _tables_at(location: Location) -> tuple[type[Table], ...]:
    """What the table at this place may be; a location also names the kind of a bus, which is no key."""
    tables: tuple[type[Table], ...] = (Document,)
    for part in location:
        if isinstance(part, str):
            inner = tuple(found for table in tables for key, form in _keys(table) if key == part for found in form)
            tables = inner or tuple(table for table in tables if part in _kinds(table))
    return tables


def _keys(table: type[Table]) -> Iterator[tuple[str, tuple[type[Table], ...]]]:
    """Each key as it is written, with the tables that it may hold."""
    for name, field in table.model_fields.items():
        yield field.alias or name, tuple(_tables_in(field.annotation))


def _tables_in(annotation: object) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for part in get_args(annotation):
        yield from _tables_in(part)


def _kinds(table: type[Table]) -> tuple[object, ...]:
    field = table.model_fields.get("kind")
    return () if field is None else get_args(field.annotation)
