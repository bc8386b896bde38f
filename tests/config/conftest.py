"""A folder with the example's configuration, edited as a test wants it."""

from pathlib import Path

import pytest

from controller.config.problems import ConfigError
from controller.config.read import read

EXAMPLE = Path(__file__).with_name("example.toml")
Edit = tuple[str, str]


class Desk:
    """Where an installer edits site.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "site.toml"
        self.password = folder / "csms.password"
        self.password.write_text("correct-horse-battery\n")
        self.password.chmod(0o600)
        self.text = EXAMPLE.read_text(encoding="utf-8")

    def write(self, *edits: Edit) -> Path:
        """Each edit replaces text that the example has exactly once."""
        text = self.text
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
            text = text.replace(old, new)
        self.file.write_text(text, encoding="utf-8")
        return self.file

    def cut_csms(self) -> None:
        """Leave the CSMS out, and let the site bill."""
        head, _, _ = self.text.partition("[csms]")
        self.text = head.replace('billed_by = "csms" ', 'billed_by = "site" ')

    def problems(self, *edits: Edit) -> list[str]:
        try:
            read(self.write(*edits))
        except ConfigError as error:
            return list(error.problems)
        return []


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
