"""Which known word somebody meant who wrote another. PURE."""

from collections.abc import Collection
from difflib import get_close_matches

LIKE = 0.6
"""Likeness from which a word counts as a slip of another."""


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that was meant, if any; a beginning is more telling than likeness."""
    whole = [other for other in known if len(word) >= 3 and other.startswith(word)]
    return min(whole, default=None) or next(iter(get_close_matches(word, known, n=1, cutoff=LIKE)), None)


def meant(word: str, known: Collection[str], *, form: str = "`{}`") -> str:
    found = nearest(word, known)
    return "" if found is None else f"; did you mean {form.format(found)}?"
