"""Patterns that pick servers, as in Ansible: `web:&env=prod:!web-03*`.

Terms are names, globs, groups, `all` and `label=value` (the value may be a glob), each with an optional subscript such as
`[0]` or `[0:2]`. `:` or `,` unites, `&` before a term intersects, `!` excludes; unions come first, then
intersections, then exclusions, wherever they stand. Pure. Called by `declaration` and by the faces for `-l`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Final

from controller.model.inventory import Inventory

LONGEST: Final = 4_096
MOST_TERMS: Final = 256
GLOB: Final = re.compile(r"[*?\[]")
SUBSCRIPT: Final = re.compile(r"\[(-?[0-9]{1,9})(?:([:-])(-?[0-9]{1,9})?)?\]$")
WORD: Final = re.compile(r"[A-Za-z0-9_.*?\[\]!@:/%+-]+")


class SelectorError(ValueError):
    """A pattern cannot be read; `column` (from 1) is where in its text."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


class Operator(StrEnum):
    """How a term joins the rest."""

    UNION = ""
    INTERSECTION = "&"
    EXCLUSION = "!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term; `label` is set for `label=value`. `first` and `last` are the subscript, both ends included."""

    operator: Operator
    word: str
    label: str | None = None
    first: int | None = None
    last: int | None = None
    column: int = 1

    @property
    def is_glob(self) -> bool:
        """Whether the word is a pattern rather than a name."""
        return GLOB.search(self.word) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A pattern that was read; `text` is how it was written."""

    text: str
    terms: tuple[Term, ...]


def parse(text: str) -> Selector:
    """Read a pattern.

    Raises:
        SelectorError: it is empty, too long, or a term cannot be understood.
    """
    if len(text) > LONGEST:
        raise SelectorError(f"cannot read a pattern longer than {LONGEST}", LONGEST)
    terms = tuple(_term(piece, column) for piece, column in _pieces(text))
    if not terms:
        raise SelectorError("cannot read an empty pattern", 1)
    if len(terms) > MOST_TERMS:
        raise SelectorError(f"cannot read more than {MOST_TERMS} terms", terms[-1].column)
    return Selector(text=text, terms=terms)


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Split at `:` and `,` outside brackets; white space around a piece means nothing."""
    start = depth = 0
    for offset, character in enumerate(f"{text},"):
        depth += {"[": 1, "]": -1}.get(character, 0)
        last = offset == len(text)
        if last and depth > 0:
            raise SelectorError("cannot find the ] of a bracket", offset)
        if last or (character in ":," and depth <= 0):
            piece = text[start:offset]
            if piece.strip():
                yield piece.strip(), start + len(piece) - len(piece.lstrip()) + 1
            elif text.strip():
                raise SelectorError("cannot read an empty term", offset + 1)
            start = offset + 1


def _term(piece: str, column: int) -> Term:
    operator = Operator(piece[0]) if piece[0] in "&!" else Operator.UNION
    word = piece.removeprefix(operator).strip()
    if word.startswith("~"):
        raise SelectorError("cannot use a regular expression: write a glob such as web-*", column)
    label, equals, value = word.partition("=")
    first, last, rest = _subscript(value if equals else word)
    if not (WORD.fullmatch(rest) or (equals and not rest)) or (
        equals and not WORD.fullmatch(label)
    ):
        raise SelectorError(f"cannot read the term {piece[:60]!r}", column)
    return Term(
        operator=operator,
        word=rest,
        label=label if equals else None,
        first=first,
        last=last,
        column=column,
    )


def _subscript(word: str) -> tuple[int | None, int | None, str]:
    """Take `[0]`, `[0:2]`, `[1:]` or `[-1]` from the end of a word."""
    found = SUBSCRIPT.search(word)
    if found is None or not found.start():
        return None, None, word
    first = int(found.group(1))
    if found.group(2) is None:
        return first, first, word[: found.start()]
    return first, int(found.group(3)) if found.group(3) else -1, word[: found.start()]


def unknown(selector: Selector, inventory: Inventory) -> tuple[Term, ...]:
    """Give the terms whose word names neither a server nor a group; globs and labels are never unknown."""
    return tuple(
        term
        for term in selector.terms
        if term.label is None
        and not term.is_glob
        and term.word not in {"all", "*", "ungrouped"}
        and term.word not in inventory.servers
        and term.word not in inventory.groups
    )


def match(selector: Selector, inventory: Inventory) -> tuple[str, ...]:
    """Give the names of the servers that a pattern picks, in order of name."""
    chosen: set[str] = set()
    unions = [term for term in selector.terms if term.operator is Operator.UNION]
    for term in unions:
        chosen |= _members(term, inventory)
    if not unions:
        chosen = set(inventory.servers)
    for term in selector.terms:
        if term.operator is Operator.INTERSECTION:
            chosen &= _members(term, inventory)
    for term in selector.terms:
        if term.operator is Operator.EXCLUSION:
            chosen -= _members(term, inventory)
    return tuple(sorted(chosen))


def _members(term: Term, inventory: Inventory) -> set[str]:
    found = _labelled(term, inventory) if term.label is not None else _named(term, inventory)
    if term.first is None or term.last is None:
        return found
    ordered = sorted(found)
    size = len(ordered)
    first = term.first + size if term.first < 0 else term.first
    last = term.last + size if term.last < 0 else term.last
    return set(ordered[max(first, 0) : max(last + 1, 0)])


def _labelled(term: Term, inventory: Inventory) -> set[str]:
    label = term.label or ""
    same = _glob(term.word).fullmatch if term.is_glob else term.word.__eq__
    return {
        name
        for name, server in inventory.servers.items()
        if label in server.labels and same(server.labels[label])
    }


def _named(term: Term, inventory: Inventory) -> set[str]:
    word = term.word
    if word in {"all", "*"}:
        return set(inventory.servers)
    if word == "ungrouped":
        return {name for name, server in inventory.servers.items() if not server.groups}
    if not term.is_glob:
        found = _of_group(word, inventory)
        return found | ({word} if word in inventory.servers else set())
    fits = _glob(word).fullmatch
    found = {name for name in inventory.servers if fits(name)}
    for name in inventory.groups:
        if fits(name):
            found |= _of_group(name, inventory)
    return found


def _of_group(name: str, inventory: Inventory) -> set[str]:
    """Give the servers of a group and of everything below it."""
    found: set[str] = set()
    waiting, seen = [name], {name}
    while waiting:
        group = inventory.groups.get(waiting.pop())
        if group is not None:
            found.update(server for server in group.servers if server in inventory.servers)
            waiting.extend(child for child in group.children if child not in seen)
            seen.update(group.children)
    return found


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob; runs of `*` become one, so that matching stays near linear."""
    return re.compile(translate(re.sub(r"\*+", "*", pattern)))
