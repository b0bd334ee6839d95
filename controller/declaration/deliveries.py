"""What tasks deliver: files and checkouts as declared, and the files of the config repository they are made of.

Called by `tasks` and `loader`; what a target cannot deliver is asked by `pairs`, too.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.destinations import complaint
from controller.declaration.marks import Key
from controller.declaration.templates import is_template
from controller.declaration.wishes import Wishes
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE, Diagnostic, Place
from controller.model.files import LARGEST_FILE, MOST_BYTES, Checkout, FileSpec
from controller.model.task import Task

CONTENTS: Final = ("content", "template", "source")
MOST_BLOBS: Final = 64 << 20
"""Bytes of all templates and sources of one declaration."""

_Body = Mapping[str, object]


def read_blobs(wishes: Wishes) -> dict[str, bytes]:
    """Read every template and source that a task names and that exists, once."""
    wanted: set[str] = set()
    total = 0
    blocks = [*wishes.of("tasks").values()]
    if "tasks" in wishes.defaults:
        blocks.append(wishes.defaults["tasks"])
    for block in blocks:
        for index, body in enumerate(_bodies(block)):
            for key in ("template", "source"):
                entry = wishes.tree.entries.get(cast("str", body.get(key, "")))
                place = block.where("files", index, key, value=True)
                if entry is None or _too_large(wishes, entry.path, entry.size, place):
                    continue
                total += 0 if entry.path in wanted else entry.size
                wanted.add(entry.path)
                if total > MOST_BLOBS:
                    wishes.findings.error(
                        "files-too-large",
                        f"cannot read more than {MOST_BLOBS} bytes of templates and sources",
                        place,
                        "fetch large files in a step",
                    )
                    return {}
    return dict(wishes.tree.read(sorted(wanted)))


def _bodies(block: Block) -> list[_Body]:
    return cast("list[_Body]", block.data.get("files", []))


def _too_large(wishes: Wishes, path: str, size: int, place: Place) -> bool:
    if size > LARGEST_FILE:
        wishes.findings.error(
            "file-too-large",
            f"cannot deliver {path}: {size} bytes, at most {LARGEST_FILE}",
            place,
            "fetch large files in a step",
        )
    return size > LARGEST_FILE


def build_files(wishes: Wishes, block: Block, blobs: Mapping[str, bytes]) -> tuple[FileSpec, ...]:
    """Build the files of a task in declared order."""
    files = tuple(
        _file(wishes, block, index, body, blobs) for index, body in enumerate(_bodies(block))
    )
    first: dict[str, FileSpec] = {}
    for file in files:
        other = first.setdefault(file.path, file)
        if other is not file:
            wishes.findings.error(
                "same-path",
                f"cannot deliver {file.path[:60]} twice: the first is at {other.places['path']}",
                file.places["path"],
            )
    size = sum(_size(file, blobs) for file in files)
    if size > MOST_BYTES:
        wishes.findings.error(
            "files-too-large",
            f"cannot deliver {size} bytes with one task: at most {MOST_BYTES}",
            block.where("files"),
            "fetch large files in a step",
        )
    return files


def _size(file: FileSpec, blobs: Mapping[str, bytes]) -> int:
    named = file.template or file.source
    return len((file.content or "").encode()) if named is None else len(blobs.get(named, b""))


def _file(
    wishes: Wishes, block: Block, index: int, body: _Body, blobs: Mapping[str, bytes]
) -> FileSpec:
    at: tuple[Key, ...] = ("files", index)
    _check_destination(wishes, block, at, body)
    _check_content(wishes, block, at, body, blobs)
    return FileSpec(
        path=cast("str", body["path"]),
        content=cast("str | None", body.get("content")),
        template=cast("str | None", body.get("template")),
        source=cast("str | None", body.get("source")),
        owner=cast("str | None", body.get("owner")),
        group=cast("str | None", body.get("group")),
        mode=cast("str", body.get("mode", "0644")).zfill(4),
        validate=cast("str | None", body.get("validate")),
        backup=body.get("backup") is True,
        places={"": block.where(*at)} | {key: block.where(*at, key) for key in body},
    )


def _check_destination(wishes: Wishes, block: Block, at: tuple[Key, ...], body: _Body) -> None:
    """Judge a path that is no template; others are judged once they are rendered."""
    path = cast("str", body["path"])
    said = None if is_template(path) else complaint(path)
    if said is not None:
        wishes.findings.error(
            "bad-path", f"cannot deliver to it: {said}", block.where(*at, "path", value=True)
        )


def _check_content(
    wishes: Wishes,
    block: Block,
    at: tuple[Key, ...],
    body: _Body,
    blobs: Mapping[str, bytes],
) -> None:
    ways = [key for key in CONTENTS if key in body]
    if len(ways) != 1:
        wishes.findings.error(
            "one-of",
            f"cannot tell what {str(body['path'])[:60]} holds: expected one of {', '.join(CONTENTS)}"
            + (f", got {' and '.join(ways)}" if ways else ""),
            block.where(*at, ways[1]) if ways else block.where(*at),
        )
    for key in ways:
        place = block.where(*at, key, value=True)
        text = cast("str", body[key])
        if key == "content":
            _too_large(wishes, "this content", len(text.encode()), place)
        elif wishes.file(text, place) and key == "template":
            _check_text(wishes, text, blobs.get(text, b""), place)


def _check_text(wishes: Wishes, name: str, data: bytes, place: Place) -> None:
    """Refuse a template that holds NUL or is not UTF-8: NUL marks the places of secrets."""
    try:
        plain = "\0" not in data.decode()
    except UnicodeDecodeError:
        plain = False
    if not plain:
        wishes.findings.error(
            "not-text",
            f"cannot render {name}: it is not plain UTF-8 text",
            place,
            "deliver other bytes with source",
        )


def build_checkout(wishes: Wishes, block: Block) -> Checkout | None:
    """Build the checkout of a task, if it has one."""
    body = cast("_Body | None", block.data.get("checkout"))
    if body is None:
        return None
    _check_destination(wishes, block, ("checkout",), body)
    return Checkout(
        path=cast("str", body["path"]),
        releases=cast("int", body.get("releases", 1)),
        places={"": block.where("checkout")} | {key: block.where("checkout", key) for key in body},
    )


def checkout_problems(target: Target, task: Task) -> Iterator[Diagnostic]:
    """Say why a target cannot deliver its task's checkout."""
    if task.checkout is None or target.repo is not None:
        return
    yield Diagnostic(
        code="checkout-without-repo",
        message=f"cannot check anything out: target {target.name} has no repo, "
        f"and task {task.name} has a checkout at {task.checkout.places.get('', NOWHERE)}",
        place=target.places.get("task") or task.checkout.places.get("", NOWHERE),
        hint="name the repo",
    )
