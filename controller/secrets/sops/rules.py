"""For whom a folder's `.sops.yaml` wants its files closed, so that nobody has to say it each time.

Called by the face of `ctl secret` for a person's own files, never for what a controller reads. What a rule asks for beyond age
recipients is refused rather than left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.secrets.disk import read_small
from controller.secrets.sops.notation import LARGEST_FILE, read_document
from controller.secrets.sops.values import Document, Node, Scalar, Type
from controller.secrets.trouble import ReadingError

FILE: Final = ".sops.yaml"
_KNOWN: Final = frozenset({"path_regex", "age"})


def recipients_for(path: Path) -> tuple[str, ...]:
    """Give the recipients of the first rule that a file falls under; none where there are no rules.

    Args:
        path: the file, absolute.

    Raises:
        ReadingError: no rule fits, or the one that does asks for more than age.
    """
    folder = next((one for one in path.parents if (one / FILE).is_file()), None)
    if folder is None:
        return ()
    rules = folder / FILE
    try:
        document = read_document(read_small(rules, most=LARGEST_FILE), as_json=False)
        return _first(document, path.relative_to(folder).as_posix())
    except ReadingError as error:
        raise ReadingError(f"{rules}: {error.reason}", hint=error.hint) from None


def _first(document: Document, path: str) -> tuple[str, ...]:
    found = document.get("creation_rules")
    for rule in found if isinstance(found, list) else []:
        if isinstance(rule, dict) and _fits(rule, path):
            beyond = sorted(rule.keys() - _KNOWN)
            if beyond:
                raise ReadingError(
                    f"its rule for {path} has {', '.join(beyond)}", hint="use sops for this file"
                )
            return tuple(_words(rule.get("age")))
    raise ReadingError(f"no rule is for {path}", hint="name recipients: -r age1...")


def _fits(rule: Document, path: str) -> bool:
    wanted = rule.get("path_regex")
    if not isinstance(wanted, Scalar):
        return True
    try:
        return re.search(wanted.text, path) is not None
    except re.error:
        raise ReadingError("a path_regex is no regular expression") from None


def _words(node: Node) -> Iterator[str]:
    """Take recipients as a list, or as text with commas."""
    for item in node if isinstance(node, list) else [node]:
        if isinstance(item, Scalar) and item.type is Type.STR:
            yield from (word.strip() for word in item.text.split(",") if word.strip())
