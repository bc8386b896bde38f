"""How closely cycles that somebody prompted may follow each other. Knows no clock."""


class Pace:
    """`burst` of them at once, then one each `apart_s`; what was not used is saved up again."""

    def __init__(self, *, apart_s: float, burst: int) -> None:
        self._apart_s = apart_s
        self._saved_s = (burst - 1) * apart_s
        self._full_s = 0.0
        """When as many may follow each other again as at first."""

    def wait_s(self, now_s: float) -> float:
        """How long the next one has to wait."""
        return max(0.0, self._full_s - self._saved_s - now_s)

    def took(self, now_s: float) -> None:
        """One begins now."""
        self._full_s = max(self._full_s, now_s) + self._apart_s
