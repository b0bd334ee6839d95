"""Packing the agent into one file: this room, `wire` and `execution`, as a zip that Python executes.

`make agent` calls it (`python -m controller.agent.packing FILE`), and `ctl agent install`, which so needs nothing but the
installed project. The same sources give the same bytes, with one zlib: entries in order of names, without times. The
modules keep their names, so that whatever is packed imports as it does here; nothing else of the project is in it.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
ROOMS = ("agent", "execution", "wire")
START = "agent/__main__.py"
FIRST_LINE = b"#!/usr/bin/env python3\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can say."""
MOST = 300_000
"""Bytes of the file that is promised not to be exceeded."""


def pack_agent(package: Path = PACKAGE) -> bytes:
    """Give the packed agent.

    Args:
        package: the folder of the project's package.

    Raises:
        ValueError: it would be larger than promised.
        OSError: a source cannot be read.
    """
    sources = {f"{package.name}/__init__.py": package / "__init__.py"}
    for room in ROOMS:
        for source in (package / room).rglob("*.py"):
            sources[f"{package.name}/{source.relative_to(package).as_posix()}"] = source
    sources["__main__.py"] = package / START
    packed = io.BytesIO()
    packed.write(FIRST_LINE)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in sorted(sources.items()):
            archive.writestr(entry(name), source.read_bytes(), compresslevel=9)
    if packed.tell() > MOST:
        raise ValueError(f"cannot pack the agent into {MOST} bytes: it has {packed.tell()}")
    return packed.getvalue()


def entry(name: str) -> zipfile.ZipInfo:
    """Describe an entry that is the same whenever and wherever it is made."""
    made = zipfile.ZipInfo(name, EPOCH)
    made.compress_type = zipfile.ZIP_DEFLATED
    made.create_system = 3  # Unix, wherever this runs
    made.external_attr = 0o100644 << 16
    return made


def main(words: list[str]) -> int:
    """Write the packed agent to the file that is named."""
    if len(words) != 1:
        print("usage: python -m controller.agent.packing FILE", file=sys.stderr)
        return 64
    out = Path(words[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}.new")
    fresh.write_bytes(pack_agent())
    fresh.chmod(0o755)
    fresh.replace(out)  # whoever executes it meanwhile has the old one or the new one
    print(f"{out}: {out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
