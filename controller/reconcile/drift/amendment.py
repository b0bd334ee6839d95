"""What one drifted file changes in the config repository: a template, a source, a value or an attribute in YAML.

Called by `adopting`. Pure, given the tree. Every change is tried before it counts: `adopting` loads what would be and compares.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from controller.declaration.amending import amend
from controller.declaration.rewriting import Rewrite, added, replaced, rewrite
from controller.errors import RefusedError
from controller.model.diagnostic import Place
from controller.model.files import FileKind, FileSeen, FileSpec, FileWork
from controller.model.tree import Tree
from controller.planning.diffs import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A file as it lies on its server, the bytes that were read of it, and what is wanted there."""

    seen: FileSeen
    data: bytes
    work: FileWork
    owner: str | None
    """Who owns what names no owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """New texts of whole files, and rewrites within files, by path in the config repository."""

    texts: Mapping[str, str] = field(default_factory=dict)
    rewrites: Mapping[str, tuple[Rewrite, ...]] = field(default_factory=dict)


def amendment(spec: FileSpec, live: Live, tree: Tree) -> Amendment:
    """Say what would have to be declared for a file to be wanted as it lies there.

    Raises:
        RefusedError: only a person can say.
    """
    guard(live)
    texts: dict[str, str] = {}
    rewrites: dict[str, list[Rewrite]] = {}
    if live.data != live.work.content:
        named = spec.template or spec.source
        if named is not None:
            texts[named] = _whole(spec, named, live, tree)
        else:
            place = spec.places["content"]
            rewrites.setdefault(place.file, []).append(_value(spec, place, live, tree))
    for key, value in attributes(live):
        place = spec.places.get(key) or spec.places["path"]
        text = content(tree, place.file)
        made = (
            replaced(text, place, value) if key in spec.places else added(text, place, key, value)
        )
        rewrites.setdefault(place.file, []).append(made)
    return Amendment(texts=texts, rewrites={one: tuple(all_) for one, all_ in rewrites.items()})


def guard(live: Live) -> None:
    """Refuse what no declaration could ask for.

    Raises:
        RefusedError: with what to do instead.
    """
    path = live.seen.path
    if live.work.secrets:
        raise RefusedError(
            f"cannot adopt {path}: it holds the value of a secret",
            hint="change the secret, or the template by hand",
        )
    match live.seen.kind:
        case FileKind.FILE:
            return
        case FileKind.MISSING:
            hint = "remove it from the task's files, or let ctl apply --heal put it back"
            raise RefusedError(f"cannot adopt {path}: it is gone", hint=hint)
        case _:
            raise RefusedError(
                f"cannot adopt {path}: it is no regular file that can be read",
                hint="look at it on the server",
            )


def _whole(spec: FileSpec, named: str, live: Live, tree: Tree) -> str:
    """Give the text of the template or the source as it would have to be."""
    before, after = content(tree, named), readable(live)
    if spec.template is None:
        return after
    return amend(before, live.work.content.decode(), after, file=named)


def _value(spec: FileSpec, place: Place, live: Live, tree: Tree) -> Rewrite:
    """Give the `content` as it would have to be written."""
    first = place.line + ("\n" in (spec.content or ""))
    wanted = amend(
        spec.content or "",
        live.work.content.decode(),
        readable(live),
        file=place.file,
        first=first,
    )
    return replaced(content(tree, place.file), place, wanted)


def attributes(live: Live) -> Iterator[tuple[str, str]]:
    """Give mode, owner and group where they are not as wanted; a number and a name cannot be told apart."""
    seen, work = live.seen, live.work
    if seen.mode and seen.mode.zfill(4) != work.mode.zfill(4):
        yield "mode", seen.mode.zfill(4)
    for key, has, wanted in (
        ("owner", seen.owner, work.owner or live.owner),
        ("group", seen.group, work.group),
    ):
        if has and wanted and has != wanted and has.isdigit() == wanted.isdigit():
            yield key, has


def readable(live: Live) -> str:
    """Give live bytes as text.

    Raises:
        RefusedError: they are none.
    """
    text = text_of(live.data)
    if text is None:
        raise RefusedError(
            f"cannot adopt {live.seen.path}: it is not UTF-8 text",
            hint="fetch it, and commit it as the source of the file",
        )
    return text


def content(tree: Tree, path: str) -> str:
    """Read a file of the config repository as text.

    Raises:
        RefusedError: it is not there, or it is none.
    """
    text = text_of(tree.read([path])[path]) if path in tree.entries else None
    if text is None:
        raise RefusedError(
            f"cannot write a patch for {path}: it is no text file of the config repository",
            hint="change it by hand",
        )
    return text


def together(tree: Tree, amendments: Mapping[str, Amendment]) -> dict[str, tuple[str, str]]:
    """Carry out the amendments of several files at once: path to its text before and after.

    Raises:
        RefusedError: two of them want different texts of one file.
    """
    wholes: dict[str, str] = {}
    rewrites: dict[str, set[Rewrite]] = {}
    for path, one in amendments.items():
        for name, text in one.texts.items():
            if wholes.setdefault(name, text) != text:
                raise RefusedError(
                    f"cannot adopt {path}: {name} would have to be two different texts",
                    hint="adopt one at a time with --path",
                )
        for name, made in one.rewrites.items():
            rewrites.setdefault(name, set()).update(made)
    changed: dict[str, tuple[str, str]] = {}
    for name in sorted({*wholes, *rewrites}):
        before = content(tree, name)
        changed[name] = before, rewrite(wholes.get(name, before), rewrites.get(name, ()))
    return changed
