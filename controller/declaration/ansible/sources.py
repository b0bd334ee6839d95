"""The sources of an inventory: one file, or the files of a folder in order of name.

Called by `inventory`; hands each file to `ini` or to `yaml` and `tree`, as Ansible's own plugins would take it.
"""

import posixpath
import re
import tomllib
from typing import Final

from controller.declaration.ansible import ini, tree, vault, yaml
from controller.declaration.ansible.draft import Draft
from controller.declaration.ansible.files import Files
from controller.declaration.ansible.findings import Findings, Refusal
from controller.model.diagnostic import Place

MAX_SOURCES: Final = 10_000
_IGNORED: Final = re.compile(
    r"\.|host_vars$|group_vars$|vars_plugins$|.*(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_YAML: Final = frozenset({".yaml", ".yml", ".json"})


def collect(files: Files, path: str, place: Place) -> list[str]:
    """Give the files that make up the inventory at `path`, in the order in which Ansible reads them.

    Raises:
        Refusal: nothing is there, or too much.
    """
    resolved = files.resolve(path, place)
    if files.is_file(resolved):
        return [resolved]
    if not files.is_folder(resolved):
        message = f"cannot find the inventory {path!r}"
        raise Refusal(
            message, place, code="not-found", hint="give a path from the root of the repository"
        )
    found: list[str] = []
    _walk(files, resolved, place, found, depth=0)
    return found


def _walk(files: Files, folder: str, place: Place, found: list[str], depth: int) -> None:
    if depth > yaml.MAX_DEPTH or len(found) > MAX_SOURCES:
        message = f"cannot read the folder {folder!r}: too deep, or too many files"
        raise Refusal(message, place, code="too-large")
    for name in files.names(folder):
        if _IGNORED.match(name):
            continue
        path = files.resolve(posixpath.join(folder, name), place)
        if files.is_folder(path):
            _walk(files, path, place, found, depth + 1)
        elif files.is_file(path):
            found.append(path)


def read(files: Files, path: str, draft: Draft, findings: Findings) -> None:
    """Read one file into `draft`; what cannot be read is found, not raised."""
    try:
        text = files.text(path)
        _refuse_closed(text, path, executable=files.is_executable(path))
        _dispatch(text, path, draft, findings)
    except Refusal as refusal:
        findings.add(refusal.diagnostic)


def _refuse_closed(text: str, path: str, *, executable: bool) -> None:
    """Refuse what would have to be run or opened first."""
    if text.startswith("#!"):
        why = "it is a program" if executable else "it begins as a program does"
        message = f"cannot read the inventory: {why}, and nothing of a repository is run to read it"
        hint = (
            f"save what `ansible-inventory -i {path} --list --export --yaml` prints, and read that"
        )
        raise Refusal(message, Place(file=path), code="executable-inventory", hint=hint)
    if text.startswith(vault.HEADER):
        message = "cannot read the inventory: the whole file is encrypted with Ansible Vault"
        hint = "encrypt single values with `ansible-vault encrypt_string`"
        raise Refusal(message, Place(file=path), code="vaulted-file", hint=hint)


def _dispatch(text: str, path: str, draft: Draft, findings: Findings) -> None:
    extension = posixpath.splitext(path)[1]
    if extension == ".toml":
        _toml(text, path, draft, findings)
    elif extension and extension not in _YAML:
        ini.read(text, path, draft, findings)
    else:
        _yaml_or_ini(text, path, draft, findings, is_yaml=bool(extension))


def _yaml_or_ini(text: str, path: str, draft: Draft, findings: Findings, *, is_yaml: bool) -> None:
    """Try YAML first; a text that is not YAML may still be INI. Say what is wrong in the likelier language."""
    aside = Findings()
    try:
        value = yaml.read(text, path, aside)
        tree.read(value, path, draft, aside)
    except Refusal as refusal:
        other = Findings()
        ini.read(text, path, draft, other)
        if other.errors and (is_yaml or _looks_like_yaml(text)):
            aside.add(refusal.diagnostic)
        else:
            aside = other
    for item in aside.items:
        findings.add(item)


def _looks_like_yaml(text: str) -> bool:
    """Judge a file without extension by its first line that says something."""
    for line in text.splitlines():
        said = line.strip()
        if said and said[0] not in "#;":
            return said.startswith(("---", "{")) or said.partition(" #")[0].rstrip().endswith(":")
    return False


def _toml(text: str, path: str, draft: Draft, findings: Findings) -> None:
    try:
        value = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        place = Place(file=path, line=int(line[1]) if line else 1)
        raise Refusal(f"cannot read TOML: {error}".lower(), place, code="ansible-toml") from None
    tree.read(_located(value, Place(file=path)), path, draft, findings)


def _located(value: object, place: Place) -> object:
    """Give TOML's maps the place of their file, TOML tells no more; its children are a list."""
    if isinstance(value, list):
        return [_located(item, place) for item in value]
    if isinstance(value, dict):
        made = yaml.Map()
        for key, item in value.items():
            named = key == "children" and isinstance(item, list)
            body = dict.fromkeys(map(str, item)) if named else item
            made.put(key, _located(body, place), place)
        return made
    return value.isoformat() if hasattr(value, "isoformat") else value
