"""Whether a token may charge: all sources, online and offline, under every rule (R20, R21)."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from controller.charging.authorisation import Answer, KnownToken, decide
from controller.charging.rules import AuthorisationRules
from controller.charging.tokens import BilledBy, SiteAccount, TokenInfo, TokenStatus, is_random
from tests.charging.samples import NOON

UID = "04A1B2C3D4E5F6"
RANDOM = "08A1B2C3"
ACCOUNT = SiteAccount(UID, "Caretaker", "SITE-1", BilledBy.FREE)
GOOD = TokenInfo(UID, TokenStatus.ACCEPTED, "FAMILY")
BAD = TokenInfo(UID, TokenStatus.BLOCKED)
PAST = replace(GOOD, expires=NOON - timedelta(seconds=1))
FUTURE = replace(GOOD, expires=NOON + timedelta(seconds=1))
NOBODY = KnownToken()
RULES = AuthorisationRules()
LAX = AuthorisationRules(offline_unknown=True)
PRE = AuthorisationRules(pre_authorize=True)


def answer(known: KnownToken, rules: AuthorisationRules = RULES, *, online: bool, uid: str = UID) -> Answer:
    return decide(uid, known, rules, online=online, now=NOON).answer


def cached(info: TokenInfo, used_s: float | None = 0.0) -> KnownToken:
    return KnownToken(cached=info, cache_used=None if used_s is None else NOON - timedelta(seconds=used_s))


ALL_RULES = [
    AuthorisationRules(
        authorize_offline=offline, pre_authorize=pre, offline_unknown=lax, cache_enabled=cache, list_enabled=listed
    )
    for offline, pre, lax, cache, listed in product([False, True], repeat=5)
]


@pytest.mark.parametrize("online", [True, False])
def test_r20_a_site_account_charges_whatever_list_cache_and_rules_say(online: bool) -> None:
    for rules, info in product(ALL_RULES, [None, GOOD, BAD]):
        assert answer(KnownToken(ACCOUNT, info, info, NOON), rules, online=online) is Answer.ACCEPT


def test_online_the_csms_decides_unless_a_local_accepted_is_enough() -> None:
    """C10.FR.03, C14.FR.03; 1.6 LocalPreAuthorize."""
    for rules, info in product(ALL_RULES, [None, GOOD, BAD, PAST]):
        for known in (KnownToken(listed=info), KnownToken(cached=info, cache_used=NOON)):
            enabled = rules.list_enabled if known.listed else rules.cache_enabled
            local = rules.pre_authorize and enabled and info is GOOD
            assert answer(known, rules, online=True) is (Answer.ACCEPT if local else Answer.ASK)


def test_nothing_but_a_known_accepted_or_an_unknown_that_is_allowed_starts_offline() -> None:
    """C13.FR.02, C13.FR.04, C15.FR.08; 1.6 LocalAuthorizeOffline, AllowOfflineTxForUnknownId."""
    for rules, info in product(ALL_RULES, [None, GOOD, BAD, PAST]):
        for known in (KnownToken(listed=info), KnownToken(cached=info, cache_used=NOON)):
            enabled = rules.list_enabled if known.listed else rules.cache_enabled
            if info is None or not enabled:
                expected = rules.offline_unknown
            else:
                expected = info is GOOD and rules.authorize_offline
            assert answer(known, rules, online=False) is (Answer.ACCEPT if expected else Answer.REFUSE)


def test_c13_fr_01_c14_fr_01_the_local_list_wins_over_the_cache() -> None:
    assert answer(KnownToken(listed=BAD, cached=GOOD, cache_used=NOON), PRE, online=True) is Answer.ASK
    assert answer(KnownToken(listed=BAD, cached=GOOD, cache_used=NOON), online=False) is Answer.REFUSE
    assert answer(KnownToken(listed=GOOD, cached=BAD, cache_used=NOON), online=False) is Answer.ACCEPT


def test_c10_fr_03_a_cached_token_that_is_not_accepted_is_asked_about_online() -> None:
    assert answer(cached(BAD), PRE, online=True) is Answer.ASK


def test_c14_fr_03_a_listed_token_that_is_not_accepted_is_asked_about_online() -> None:
    assert answer(KnownToken(listed=BAD), PRE, online=True) is Answer.ASK


@pytest.mark.parametrize("status", [status for status in TokenStatus if status is not TokenStatus.ACCEPTED])
def test_offline_a_known_bad_token_is_refused_even_where_unknown_ones_may_charge(status: TokenStatus) -> None:
    """1.6 section 3.5.4, C13.FR.04."""
    info = TokenInfo(UID, status)
    assert answer(KnownToken(listed=info), LAX, online=False) is Answer.REFUSE
    assert answer(cached(info), LAX, online=False) is Answer.REFUSE


def test_c13_fr_05_an_expired_list_entry_is_refused_offline_and_asked_about_online() -> None:
    for rules in (RULES, LAX):
        assert answer(KnownToken(listed=PAST), rules, online=False) is Answer.REFUSE
        assert answer(KnownToken(listed=FUTURE), rules, online=False) is Answer.ACCEPT
    assert answer(KnownToken(listed=PAST), PRE, online=True) is Answer.ASK


def test_an_expiry_is_over_at_its_very_second() -> None:
    assert answer(KnownToken(listed=replace(GOOD, expires=NOON)), online=False) is Answer.REFUSE


@pytest.mark.parametrize(("used_s", "lives"), [(0.0, True), (60.0, True), (60.5, False), (None, False)])
def test_c10_fr_08_without_an_expiry_the_life_time_counts_from_the_last_use(
    used_s: float | None, lives: bool
) -> None:
    rules = AuthorisationRules(cache_life_s=60)
    assert answer(cached(GOOD, used_s), rules, online=False) is (Answer.ACCEPT if lives else Answer.REFUSE)


def test_c10_fr_10_an_outlived_cache_entry_is_expired_and_not_unknown() -> None:
    """Also 1.6 section 3.5.4: what was valid and expired by time is rejected where unknown ones may charge."""
    rules = AuthorisationRules(cache_life_s=60, offline_unknown=True)
    assert answer(cached(GOOD, 61), rules, online=False) is Answer.REFUSE
    assert answer(cached(BAD, 61), rules, online=False) is Answer.REFUSE


def test_c10_fr_13_an_expiry_of_the_csms_comes_before_the_life_time() -> None:
    rules = AuthorisationRules(cache_life_s=60)
    assert answer(cached(FUTURE, 3600), rules, online=False) is Answer.ACCEPT
    assert answer(cached(PAST, 0), rules, online=False) is Answer.REFUSE


def test_r21_a_random_uid_never_charges_as_an_unknown_one_offline() -> None:
    assert answer(NOBODY, LAX, online=False, uid=RANDOM) is Answer.REFUSE
    assert answer(NOBODY, LAX, online=False) is Answer.ACCEPT
    assert answer(NOBODY, LAX, online=True, uid=RANDOM) is Answer.ASK


@pytest.mark.parametrize(
    ("uid", "random"), [("08A1B2C3", True), ("08", False), ("08A1B2C3D4E5F6", False), ("04A1B208", False)]
)
def test_r21_a_random_uid_is_one_of_four_bytes_that_begins_with_08(uid: str, random: bool) -> None:
    assert is_random(uid) is random


def test_a_decision_says_who_decided_why_and_which_group() -> None:
    good = decide(UID, KnownToken(listed=GOOD), RULES, online=False, now=NOON)
    assert (good.source, good.group) == ("local list", "FAMILY")
    bad = decide(UID, cached(BAD), RULES, online=False, now=NOON)
    assert (bad.source, bad.text) == ("cache", "Blocked")
    assert decide(UID, NOBODY, RULES, online=False, now=NOON).text == "unknown card, and no connection to ask"
