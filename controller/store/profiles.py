"""Charging profiles of each station of each CSMS (R28)."""

from collections.abc import Collection, Mapping

import peewee

from controller.charging.records import Route
from controller.store.database import Tables, rows


def read(tables: Tables) -> dict[Route, list[str]]:
    """By station, in the order in which they came; texts, so that a damaged one does not hide the others."""
    found: dict[Route, list[str]] = {}
    table = tables.charging_profile
    for row in rows(table.select().order_by(table.c.seq)):
        route = Route(row["csms"], row["identity"])
        found.setdefault(route, []).append(row["json"])
    return found


def count(tables: Tables, route: Route) -> int:
    table = tables.charging_profile
    return int(rows(table.select(peewee.fn.COUNT(table.c.id).alias("rows")).where(_of(tables, route)))[0]["rows"])


def change(tables: Tables, route: Route, change: tuple[Collection[int], Mapping[int, str]]) -> None:
    removed, added = change
    table = tables.charging_profile
    for number in (*removed, *added):
        table.delete().where(_of(tables, route) & (table.c.id == number)).execute()
    for number, text in added.items():
        table.insert(csms=route.csms, identity=route.identity, id=number, json=text).execute()


def _of(tables: Tables, route: Route) -> peewee.Expression:
    table = tables.charging_profile
    expression: peewee.Expression = (table.c.csms == route.csms) & (table.c.identity == route.identity)
    return expression
