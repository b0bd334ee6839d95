"""The tree as an inventory sees it: folders, links that stay inside, text of bounded size.

Called by `sources` and `vars`. A link is followed only to another place of the same tree.
"""

import posixpath
from typing import Final

from controller.declaration.ansible.findings import Refusal
from controller.model.diagnostic import Place
from controller.model.tree import Tree

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_LINKS: Final = 8
VARS_FOLDERS: Final = frozenset({"group_vars", "host_vars"})
_LINK: Final = 0o120000
_LONGEST_LINK: Final = 4096


class Files:
    """Files and folders of a tree by resolved path."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._folders: dict[str, set[str]] = {"": set()}
        for path in tree.entries:
            parent, name = posixpath.split(path)
            while parent not in self._folders:
                self._folders[parent] = {name}
                parent, name = posixpath.split(parent)
            self._folders[parent].add(name)

    def resolve(self, path: str, place: Place) -> str:
        """Follow all links on the way to `path`; what is not there stays as it is.

        Raises:
            Refusal: a link leads out of the tree or into another link without end.
        """
        done, waiting, hops = "", path.split("/"), 0
        while waiting:
            step = posixpath.join(done, waiting.pop(0))
            target = self._target(step)
            if target is None:
                done = step
                continue
            hops += 1
            led = posixpath.normpath(posixpath.join(done, target))
            if hops > MAX_LINKS or target.startswith("/") or led.split("/")[0] == "..":
                message = f"cannot follow the link {step!r}: it leads out of the repository, or in circles"
                raise Refusal(message, place, code="bad-link")
            done, waiting = "", [*("" if led == "." else led).split("/"), *waiting]
        return done

    def is_file(self, path: str) -> bool:
        """Whether there is a file at a resolved path."""
        return path in self._tree.entries

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder at a resolved path."""
        return path in self._folders

    def names(self, folder: str) -> list[str]:
        """Give what lies in a folder, in order of name."""
        return sorted(self._folders[folder])

    def is_executable(self, path: str) -> bool:
        """Whether git would make the file executable."""
        return bool(self._tree.entries[path].mode & 0o111)

    def text(self, path: str) -> str:
        """Read a file.

        Raises:
            Refusal: it is too large, or not UTF-8.
        """
        place = Place(file=path)
        size = self._tree.entries[path].size
        if size > MAX_BYTES:
            message = f"cannot read a file of {size} bytes: at most {MAX_BYTES} are read"
            raise Refusal(message, place, code="too-large")
        data = self._tree.read([path])[path]
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            message = f"cannot read byte {error.start}: the file is not UTF-8"
            raise Refusal(message, Place(file=path, line=line), code="not-utf-8") from None

    def _target(self, path: str) -> str | None:
        """Give what a link says; a checkout without links holds the text of the link as a file."""
        entry = self._tree.entries.get(path)
        if entry is None or entry.size > _LONGEST_LINK:
            return None
        is_link = entry.mode & 0o170000 == _LINK
        if not is_link and posixpath.basename(path) not in VARS_FOLDERS:
            return None
        text = self._tree.read([path])[path].decode(errors="replace")
        if is_link:
            return text
        led = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        return text if led in self._folders else None
