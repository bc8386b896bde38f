"""Sites made of real processes. Whatever a test does, none of them outlives it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.site.processes import SiteUnderTest

NewSite = Callable[[], SiteUnderTest]
RunningSite = Callable[..., Awaitable[SiteUnderTest]]


@pytest.fixture
async def new_site(tmp_path: Path) -> AsyncIterator[NewSite]:
    """Makes sites of which nothing runs yet. Their logs are shown when the test fails."""
    sites: list[SiteUnderTest] = []

    def make() -> SiteUnderTest:
        folder = tmp_path / f"site-{len(sites) + 1}"
        folder.mkdir()
        sites.append(SiteUnderTest(folder))
        return sites[-1]

    try:
        yield make
    finally:
        for site in sites:
            await site.end()
            print(site.tails())


@pytest.fixture
def running(new_site: NewSite) -> RunningSite:
    """Starts the simulator with a scenario, and the controller beside it."""

    async def start(scenario: str = "small", *arguments: str) -> SiteUnderTest:
        site = new_site()
        await site.start_simulator(scenario, *arguments)
        await site.start_controller()
        return site

    return start
