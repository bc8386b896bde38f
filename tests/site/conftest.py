"""Sites made of real processes. Whatever a test does, none of them outlives it."""

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.site.processes import ROOT, SiteUnderTest
from tests.site.template import READY

NewSite = Callable[[], SiteUnderTest]
RunningSite = Callable[..., Awaitable[SiteUnderTest]]


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """Where processes of the product are to be had that need not load it first."""
    with tempfile.TemporaryDirectory(prefix="ampyard-") as folder:
        path = Path(folder, "template")
        command = [sys.executable, "-m", "tests.site.template", str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == READY
            yield path
            process.kill()


@pytest.fixture
async def new_site(tmp_path: Path, template: Path) -> AsyncIterator[NewSite]:
    """Makes sites of which nothing runs yet. Their logs are shown when the test fails."""
    sites: list[SiteUnderTest] = []

    def make() -> SiteUnderTest:
        folder = tmp_path / f"site-{len(sites) + 1}"
        folder.mkdir()
        sites.append(SiteUnderTest(folder, template))
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
