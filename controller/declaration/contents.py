"""Delivered files as they are rendered for a group of servers: their bytes, what is wrong with them, what they give the digest.

Called by `works`. Equal contents are one object and are hashed once, however many servers get them.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from controller.declaration.blueprint import Blueprint, FilePlan
from controller.declaration.destinations import complaint
from controller.declaration.renderer import Failure
from controller.declaration.templates import Site, Studies
from controller.model.diagnostic import Place
from controller.model.files import LARGEST_FILE, MOST_BYTES, SECRET_CLOSE, SECRET_OPEN, FileWork

PLACEHOLDER: Final = re.compile(
    re.escape(SECRET_OPEN.decode()) + "([a-z0-9._-]+)" + re.escape(SECRET_CLOSE.decode())
)
DEFAULT_MODE: Final = "0644"

Problem = tuple[Site, Failure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes to deliver; `secrets` are the names of those that go into them, `fact` is what the digest sees."""

    data: bytes
    secrets: tuple[str, ...]
    fact: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One input of a file: the last word of its name, its value and its place."""

    key: str
    value: object
    place: Place


class Contents:
    """Every content met so far, and every file made of one."""

    def __init__(self) -> None:
        self._texts: dict[str, Content] = {}
        self._blobs: dict[str, Content] = {}
        self._files: dict[tuple[int, str, int], FileWork] = {}

    def of(self, file: FilePlan, texts: Mapping[str, str]) -> Content:
        """Give what a file holds; `texts` are rendered texts by the names of their sites."""
        if file.text is None:
            source = file.spec.source or ""
            if source not in self._blobs:
                self._blobs[source] = _content(file.blob, ())
            return self._blobs[source]
        text = texts[file.text.name]
        found = self._texts.get(text)
        if found is None:
            names = dict.fromkeys(PLACEHOLDER.findall(text)) if "\0" in text else ()
            found = self._texts[text] = _content(text.encode(), tuple(names))
        return found

    def file(self, plan: FilePlan, texts: Mapping[str, str]) -> FileWork:
        """Make a file; equal ones are one object."""
        content = self.of(plan, texts)
        path = texts[plan.path.name]
        key = (id(plan.spec), path, id(content))
        found = self._files.get(key)
        if found is None:
            spec = plan.spec
            found = self._files[key] = FileWork(
                path=path,
                content=content.data,
                secrets=content.secrets,
                owner=spec.owner,
                group=spec.group,
                mode=spec.mode,
                validate=spec.validate,
                backup=spec.backup,
                place=plan.place("path"),
            )
        return found


def _content(data: bytes, secrets: tuple[str, ...]) -> Content:
    digest = hashlib.sha256(data).hexdigest()
    return Content(
        data=data,
        secrets=secrets,
        # A source may hold by chance what stands for a secret in a text; the two are different files.
        fact={"text": digest, "secrets": sorted(secrets)} if secrets else digest,
    )


def facts(file: FilePlan, content: Content) -> Iterator[Fact]:
    """List what counts of a file beside its path; what has its default is left out."""
    yield Fact(key="content", value=content.fact, place=file.origin)
    spec = file.spec
    mode = None if spec.mode == DEFAULT_MODE else spec.mode
    for key, value in (("owner", spec.owner), ("group", spec.group), ("mode", mode)):
        if value is not None:
            yield Fact(key=key, value=value, place=file.place(key))


def problems(
    plan: Blueprint,
    texts: Mapping[str, str],
    contents: Contents,
    studies: Studies,
    secrets: Collection[str],
) -> Iterator[Problem]:
    """Say what of rendered deliveries cannot be delivered; texts that failed before are missing and passed over."""
    taken: dict[str, Site] = {}
    size = 0
    checkout = plan.texts.get("checkout.path")
    if checkout is not None and checkout.name in texts:
        yield from _of_path(checkout, texts[checkout.name], taken)
    for file in plan.files:
        if file.path.name in texts:
            yield from _of_path(file.path, texts[file.path.name], taken)
        if file.text is not None and file.text.name not in texts:
            continue
        content = contents.of(file, texts)
        size += len(content.data)
        if size > MOST_BYTES:
            said = f"makes the files of the task larger than {MOST_BYTES} bytes together"
            yield file.text or file.path, Failure("size", said)
        if file.text is not None:
            yield from _of_text(file.text, content, studies, secrets)


def _of_path(site: Site, path: str, taken: dict[str, Site]) -> Iterator[Problem]:
    said = complaint(path)
    if said is not None:
        yield site, Failure("path", said)
    other = taken.setdefault(path, site)
    if other is not site:
        yield site, Failure("twice", f"delivers {path[:60]}, as {other.place} does,")


def _of_text(
    site: Site, content: Content, studies: Studies, secrets: Collection[str]
) -> Iterator[Problem]:
    if len(content.data) > LARGEST_FILE:
        said = f"has {len(content.data)} bytes, at most {LARGEST_FILE},"
        yield site, Failure("size", said)
    if not site.templated and 0 in content.data:
        yield site, Failure("value", "holds a NUL character")
    for name in content.secrets:
        if name not in secrets:
            line = studies.chosen_secret(site)
            yield site, Failure("secret", f"no secret is called {name[:60]!r}", line)
