"""Charging profiles as the store keeps them."""

from pathlib import Path

from controller.store.store import Store
from tests.store.samples import OTHER, ROUTE


async def test_profiles_come_back_in_the_order_in_which_they_came(store: Store) -> None:
    await store.change_profiles(ROUTE, [], {7: "seven", 3: "three"})
    await store.change_profiles(ROUTE, [], {5: "five"})
    assert await store.charging_profiles() == {ROUTE: ["seven", "three", "five"]}
    assert await store.charging_profile_count(ROUTE) == 3


async def test_an_id_that_is_there_is_replaced_and_comes_last(store: Store) -> None:
    await store.change_profiles(ROUTE, [], {7: "seven", 3: "three"})
    await store.change_profiles(ROUTE, [7], {7: "again"})
    await store.change_profiles(ROUTE, [], {3: "anew"})
    assert await store.charging_profiles() == {ROUTE: ["again", "anew"]}


async def test_r28_each_station_has_its_own(store: Store) -> None:
    await store.change_profiles(ROUTE, [], {7: "here"})
    await store.change_profiles(OTHER, [], {7: "there"})
    await store.change_profiles(ROUTE, [7], {})
    assert await store.charging_profiles() == {OTHER: ["there"]}
    assert (await store.charging_profile_count(ROUTE), await store.charging_profile_count(OTHER)) == (0, 1)


async def test_what_is_not_there_can_be_removed(store: Store) -> None:
    await store.change_profiles(ROUTE, [1, 2], {})
    assert await store.charging_profiles() == {}


async def test_profiles_survive_the_process(tmp_path: Path) -> None:
    for expected in ({}, {ROUTE: ["seven"]}):
        store = Store(tmp_path)
        await store.open()
        assert await store.charging_profiles() == expected
        await store.change_profiles(ROUTE, [], {7: "seven"})
        await store.close()
