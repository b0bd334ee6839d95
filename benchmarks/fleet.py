"""Fleets to measure with: the same servers as our declarations and as an Ansible inventory, in memory or on disk."""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from controller.model.tree import Entry

SERVER = """\
  web-{number:05d}.example.com:
    address: 10.{high}.{middle}.{low}
    groups: [web, rack-{rack}]
    labels: {{env: prod, zone: zone-{zone}, tier: gold}}
    ssh: {{user: deploy, port: 22, sudo: true}}
    check: {{interval: 12h, retries: 3, retry_delay: 5m}}
    concurrency: 2
    vars:
      workers: {zone}
      weight: 0.5
      enabled: true
      description: "machine number {number} of the fleet, behind the balancer"
      region: eu-central-{zone}
      ports: [80, 443, 8080]
      limits:
        memory: 512M
        files: 1024
      mirrors:
        - https://mirror-1.example.com/packages
        - https://mirror-2.example.com/packages
"""
HOST = """\
        web-{number:05d}.example.com:
          ansible_host: 10.{high}.{middle}.{low}
          ansible_user: deploy
          ansible_port: 22
          ansible_become: true
          workers: {zone}
          weight: 0.5
          enabled: true
          description: "machine number {number} of the fleet, behind the balancer"
          region: eu-central-{zone}
          ports: [80, 443, 8080]
          limits:
            memory: 512M
            files: 1024
          mirrors:
            - https://mirror-1.example.com/packages
            - https://mirror-2.example.com/packages
"""
TASK = """\
tasks:
  configure:
    params:
      channel: {type: string, default: stable}
    env:
      CHANNEL: "{{ params.channel }}"
    steps:
      write:
        run: printf '%s\\n' "{{ params.channel }} {{ target.name }}" > /etc/example.conf
      restart:
        needs: [write]
        run: systemctl restart example
"""
TARGET = """\
  target-{number:02d}:
    servers: web
    task: configure
    params: {{channel: channel-{number}}}
"""


class Files:
    """A tree in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.refused: Mapping[str, str] = {}
        self.entries = {
            path: Entry(
                path=path,
                blob=hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
                mode=0o100644,
                size=len(raw),
            )
            for path, raw in files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        return {path: self._files[path] for path in paths}


class Cache:
    """A cache of forms in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {key: self._kept[key] for key in keys if key in self._kept}

    def put_many(self, forms: Mapping[str, bytes]) -> None:
        self._kept.update(forms)


def _filled(template: str, number: int) -> str:
    return template.format(
        number=number,
        high=number >> 16,
        middle=number >> 8 & 255,
        low=number & 255,
        rack=number % 40,
        zone=number % 3,
    )


def fleet(servers: int, per_file: int) -> dict[str, bytes]:
    """Declare so many servers, so many a file."""
    texts = [_filled(SERVER, number) for number in range(servers)]
    return {
        f"inventory/fleet/{start:06d}.yaml": (
            "servers:\n" + "".join(texts[start : start + per_file])
        ).encode()
        for start in range(0, servers, per_file)
    }


def work(targets: int) -> dict[str, bytes]:
    """Declare so many targets of one task, each on every server."""
    texts = "".join(TARGET.format(number=number) for number in range(targets))
    return {"pipelines/work.yaml": f"{TASK}targets:\n{texts}".encode()}


def write_repository(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a config repository with one commit."""
    for name, raw in {"ctl.yaml": b"settings: {name: bench}\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    author = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "Begin")):
        subprocess.run(["git", "-C", str(folder), *author, *words], check=True)


def write_ansible(path: Path, servers: int) -> None:
    """Write the same servers and groups as one Ansible inventory."""
    hosts = "".join(_filled(HOST, number) for number in range(servers))
    racks = "".join(
        f"    rack-{rack}:\n      hosts:\n"
        + "".join(f"        web-{number:05d}.example.com:\n" for number in range(rack, servers, 40))
        for rack in range(min(40, servers))
    )
    path.write_text(f"all:\n  children:\n    web:\n      hosts:\n{hosts}{racks}")
