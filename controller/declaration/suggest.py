"""Words that are near a word that was not understood; called wherever a name or key is unknown. Pure."""

import difflib
from collections.abc import Iterable

LONGEST = 100
MOST_CANDIDATES = 2_000


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Give the hint "did you mean X?", or None when nothing is near."""
    if len(word) > LONGEST:
        return None
    candidates = list(dict.fromkeys(known))
    if len(candidates) > MOST_CANDIDATES:
        candidates = [name for name in candidates if name[:2] == word[:2]][:MOST_CANDIDATES]
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def among(word: str, known: Iterable[str], *, what: str, most: int = 20) -> str:
    """Give a hint that always helps: the nearest word, or the list of those there are."""
    names = sorted(set(known))
    near = did_you_mean(word, names)
    if near:
        return near
    if not names:
        return f"no {what} is declared"
    listed = ", ".join(names[:most])
    return f"known: {listed}{', ...' if len(names) > most else ''}"
