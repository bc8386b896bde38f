"""Cache and local list of each CSMS."""

from datetime import timedelta

import pytest

from controller.charging.tokens import TokenInfo, TokenStatus
from controller.store import tokens
from controller.store.store import Known, Store
from tests.store.samples import NOON

CARD = TokenInfo("04A1B2C3D4E5F6", TokenStatus.ACCEPTED, "group-1", NOON + timedelta(days=1))
RANDOM = TokenInfo("08A1B2C3", TokenStatus.ACCEPTED)


async def test_nothing_is_known_of_a_token_nobody_spoke_of(store: Store) -> None:
    assert await store.lookup("operator", "04A1B2C3D4E5F6") == Known(None, None, None)


async def test_a_cached_token_comes_back_with_its_last_use_whatever_its_case(store: Store) -> None:
    await store.remember("operator", [CARD], NOON)
    assert await store.lookup("operator", "04a1b2c3d4e5f6") == Known(None, CARD, NOON)
    blocked = TokenInfo("04a1b2c3d4e5f6", TokenStatus.BLOCKED)
    await store.remember("operator", [blocked], NOON + timedelta(hours=1))
    assert await store.lookup("operator", CARD.uid) == Known(None, blocked, NOON + timedelta(hours=1))


async def test_r28_cache_and_list_belong_to_one_csms(store: Store) -> None:
    await store.remember("operator", [CARD], NOON)
    await store.replace_list("operator", 3, [CARD], full=True)
    assert await store.lookup("other", CARD.uid) == Known()
    assert await store.list_version("other") == 0
    await store.clear_cache("other")
    assert (await store.lookup("operator", CARD.uid)).cached == CARD


async def test_clearing_the_cache_leaves_the_list(store: Store) -> None:
    await store.remember("operator", [CARD], NOON)
    await store.replace_list("operator", 3, [CARD], full=True)
    await store.clear_cache("operator")
    assert await store.lookup("operator", CARD.uid) == Known(CARD, None, None)


async def test_r21_a_random_uid_enters_neither_cache_nor_list(store: Store) -> None:
    await store.remember("operator", [RANDOM], NOON)
    await store.replace_list("operator", 1, [RANDOM, CARD], full=True)
    assert await store.lookup("operator", RANDOM.uid) == Known()
    assert (await store.lookup("operator", CARD.uid)).listed == CARD


async def test_a_full_list_replaces_and_a_differential_one_merges(store: Store) -> None:
    first, second, third = (TokenInfo(uid, TokenStatus.ACCEPTED) for uid in ("AA", "BB", "CC"))
    await store.replace_list("operator", 1, [first, second], full=True)
    blocked = TokenInfo("BB", TokenStatus.BLOCKED)
    await store.replace_list("operator", 2, [blocked, third], full=False, removed=["aa"])
    listed = [(await store.lookup("operator", uid)).listed for uid in ("AA", "BB", "CC")]
    assert listed == [None, blocked, third]
    assert await store.list_version("operator") == 2
    await store.replace_list("operator", 7, [first], full=True)
    listed = [(await store.lookup("operator", uid)).listed for uid in ("AA", "BB", "CC")]
    assert listed == [first, None, None]
    assert await store.list_version("operator") == 7


async def test_a_list_with_a_bad_entry_is_refused_as_a_whole(store: Store) -> None:
    await store.replace_list("operator", 1, [CARD], full=True)
    bad = TokenInfo("AA", TokenStatus.ACCEPTED, expires=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="zone"):
        await store.replace_list("operator", 2, [bad], full=True)
    assert (await store.lookup("operator", CARD.uid)).listed == CARD
    assert await store.list_version("operator") == 1


async def test_a_cache_forgets_what_was_not_used_for_longest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHE_LIMIT", 3)
    for place, uid in enumerate(("AA", "BB", "CC")):
        await store.remember("operator", [TokenInfo(uid, TokenStatus.ACCEPTED)], NOON + timedelta(seconds=place))
    await store.remember("operator", [TokenInfo("AA", TokenStatus.ACCEPTED)], NOON + timedelta(seconds=10))
    await store.remember("other", [TokenInfo("DD", TokenStatus.ACCEPTED)], NOON)
    await store.remember("operator", [TokenInfo("EE", TokenStatus.ACCEPTED)], NOON + timedelta(seconds=11))
    kept = [uid for uid in ("AA", "BB", "CC", "EE") if (await store.lookup("operator", uid)).cached]
    assert kept == ["AA", "CC", "EE"]
    assert (await store.lookup("other", "DD")).cached is not None


async def test_a_uid_that_is_no_text_is_an_error_of_its_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        await store.remember("operator", [TokenInfo("\ud800", TokenStatus.ACCEPTED)], NOON)
    assert not store.failing
