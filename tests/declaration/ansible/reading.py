"""Reads inventories that tests write down, and tells what is wrong in one line each."""

from collections.abc import Mapping

from controller.declaration.ansible import inventory
from controller.model.diagnostic import Place, Severity
from tests.fakes.trees import MemoryTree

HERE = Place(file="inventory/all.yaml", line=7)


def read(
    files: Mapping[str, str | bytes] | str, path: str = "hosts.ini"
) -> inventory.AnsibleInventory:
    """Read the inventory at `path` of a tree; a text alone is that file."""
    given = {path: files} if isinstance(files, str) else files
    return inventory.read(MemoryTree(given), path, place=HERE)


def good(
    files: Mapping[str, str | bytes] | str, path: str = "hosts.ini"
) -> inventory.AnsibleInventory:
    """Read an inventory that must have no errors."""
    found = read(files, path)
    assert errors(found) == []
    return found


def errors(found: inventory.AnsibleInventory) -> list[str]:
    """Give "FILE:LINE message" of each error."""
    return [
        f"{item.place.file}:{item.place.line} {item.message}"
        for item in found.diagnostics
        if item.severity is Severity.ERROR
    ]


def warnings(found: inventory.AnsibleInventory) -> list[str]:
    """Give "FILE:LINE message" of each warning."""
    return [
        f"{item.place.file}:{item.place.line} {item.message}"
        for item in found.diagnostics
        if item.severity is Severity.WARNING
    ]
