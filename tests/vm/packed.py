"""This controller with everything it runs on, packed for a machine that has nothing but Python: `test_serve` unpacks it there.

What is packed are the very packages that this Python runs, compiled beforehand, because an emulated processor takes its time.
"""

import compileall
import importlib.metadata
import io
import re
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from tests.vm.image import ROOT

PYTHON = (3, 11)
"""That of the machine: what is compiled fits no other."""
PROGRAM = """\
#!/opt/ctl/bin/python3
import sys
from controller.__main__ import main
sys.exit(main())
"""


def pack(folder: Path) -> bytes:
    """Pack it, with a folder to work in; to be unpacked in the folder of a virtual environment."""
    if sys.version_info[:2] != PYTHON:
        pytest.skip("the machine has Python 3.11, for which this one has no packages")
    packages = folder / "lib/python3.11/site-packages"
    for one in _needed("tillerman", {}).values():
        _copy(one, packages)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "controller", packages / "controller", ignore=left_out)
    for name in ("schemas", "examples"):
        shutil.copytree(ROOT / name, packages / "controller" / name, ignore=left_out)
    compileall.compile_dir(packages, quiet=2, workers=2)
    (folder / "bin").mkdir()
    (folder / "bin/ctl").write_text(PROGRAM)
    (folder / "bin/ctl").chmod(0o755)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".", filter=_for_everybody)
    return packed.getvalue()


def _for_everybody(one: tarfile.TarInfo) -> tarfile.TarInfo:
    """Have root own it, and everybody read it."""
    one.uid = one.gid = 0
    one.mode |= 0o755 if one.isdir() else 0o644
    return one


def _needed(
    name: str, found: dict[str, importlib.metadata.Distribution]
) -> dict[str, importlib.metadata.Distribution]:
    """Find what a distribution needs here, by name, itself left out."""
    for line in importlib.metadata.distribution(name).requires or ():
        matched = re.match(r"[A-Za-z0-9_.-]+", line)
        if matched is None or "extra ==" in line or matched[0] in found:
            continue
        try:
            found[matched[0]] = importlib.metadata.distribution(matched[0])
        except importlib.metadata.PackageNotFoundError:
            continue  # for other systems, or other versions of Python
        _needed(matched[0], found)
    return found


def _copy(one: importlib.metadata.Distribution, packages: Path) -> None:
    for file in one.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue  # programs of theirs, which nobody calls
        goal = packages / file
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(one.locate_file(file)), goal)
