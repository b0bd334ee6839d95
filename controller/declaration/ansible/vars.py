"""Variables in the folders beside an inventory: `group_vars` and `host_vars`, as files or folders of files.

Called by `inventory` after the sources have been read; fills what is `filed` of hosts and groups in the draft.
"""

import posixpath
from typing import Final

from controller.declaration.ansible import vault, yaml
from controller.declaration.ansible.draft import Draft, Values
from controller.declaration.ansible.files import Files
from controller.declaration.ansible.findings import Findings, Refusal
from controller.declaration.ansible.literals import key_text
from controller.model.diagnostic import Place
from controller.model.inventory import Vaulted

ALONE: Final = ("", ".yml", ".yaml", ".json")
"""How the file of a host or group may end; only the first that is there counts."""


class VarsFolders:
    """Reads what the folders beside one inventory say, each file once."""

    def __init__(self, files: Files, base: str, findings: Findings) -> None:
        self.files = files
        self.base = base
        self.findings = findings
        self.closed: list[tuple[Vaulted, Place]] = []

    def fill(self, draft: Draft, place: Place) -> None:
        """Add the variables of all groups and hosts of `draft`."""
        for kind, named in (("group_vars", draft.groups), ("host_vars", draft.hosts)):
            try:
                folder = self.files.resolve(posixpath.join(self.base, kind), place)
            except Refusal as refusal:
                self.findings.add(refusal.diagnostic)
                continue
            if not self.files.is_folder(folder):
                continue
            for name, item in named.items():
                self._one(folder, name, item.filed, place)

    def _one(self, folder: str, name: str, into: Values, place: Place) -> None:
        """Add the variables of one host or group."""
        if name.startswith("/") or ".." in name.split("/"):
            return  # such as the folder of a chroot; never a path out of the folder
        try:
            for path in self._files_of(folder, name, place):
                into.update(self._read(path))
        except Refusal as refusal:
            self.findings.add(refusal.diagnostic)

    def _files_of(self, folder: str, name: str, place: Place) -> list[str]:
        for ending in ALONE:
            path = posixpath.normpath(posixpath.join(folder, name + ending))
            path = self.files.resolve(path, place)
            if self.files.is_file(path):
                return [path]
            if self.files.is_folder(path):
                return self._walk(path, place, 0)
        return []

    def _walk(self, folder: str, place: Place, depth: int) -> list[str]:
        if depth > yaml.MAX_DEPTH:
            message = f"cannot read more than {yaml.MAX_DEPTH} folders within each other"
            raise Refusal(message, place, code="too-large")
        found: list[str] = []
        for name in self.files.names(folder):
            if name.startswith(".") or name.endswith("~"):
                continue
            ending = posixpath.splitext(name)[1]
            path = self.files.resolve(posixpath.join(folder, name), place)
            if self.files.is_folder(path) and not ending:
                found += self._walk(path, place, depth + 1)
            elif self.files.is_file(path) and ending in ALONE:
                found.append(path)
        return found

    def _read(self, path: str) -> Values:
        text = self.files.text(path)
        if text.startswith(vault.HEADER):
            self.closed.append((vault.value(text), Place(file=path)))
            self.findings.warn(
                "the whole file is encrypted with Ansible Vault: its variables are not known here",
                Place(file=path),
                code="vaulted-file",
                hint="encrypt single values with `ansible-vault encrypt_string`",
            )
            return Values()
        value = yaml.read(text, path, self.findings)
        made = Values()
        if not value:
            return made
        if not isinstance(value, yaml.Map):
            message = "cannot read variables: a map is expected"
            raise Refusal(message, Place(file=path), code="ansible-yaml")
        for key, item in value.items():
            made.set(key_text(key), yaml.plain(item), value.places[key])
        return made
