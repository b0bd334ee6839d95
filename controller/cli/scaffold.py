"""The files of a fresh config repository, with comments that teach.

Called by `ctl init`. They must be valid, and must plan and apply at once on this machine, without root.
"""

import re
from typing import Final

from controller.model.ids import NAME

_CTL: Final = """\
# yaml-language-server: $schema=schemas/ctl.schema.json
# This file marks the root of a config repository.
settings:
  # Servers keep their records under this name; two config repositories need two names.
  name: {name}
"""

_SERVERS: Final = """\
# yaml-language-server: $schema=../schemas/declarations.schema.json
# Every *.yaml below inventory/ and pipelines/ is read; how files are called and cut does not matter.
servers:
  # This machine itself.
  here:
    local: {}

  # A machine over ssh needs nothing but sh. `ctl trust web-1` shows its host key and pins it after a yes.
  # web-1.example.com:
  #   groups: [web]
  #   labels: {env: prod}
  #   vars: {workers: 4}
  #   ssh: {user: deploy}
"""

_PIPELINE: Final = """\
# yaml-language-server: $schema=../schemas/declarations.schema.json
# A task is what to do. `ctl explain task` tells all its keys.
tasks:
  greet:
    title: Leave a greeting in the home folder
    params:
      greeting: {type: string, default: Hello}
    # Exit 0: the server is as wanted. Anything else is drift, which `ctl plan` shows.
    check: test "$(cat "$HOME/ctl-greeting.txt")" = {{ params.greeting | quote }}
    steps:
      write:
        run: printf '%s\\n' "$CTL_PARAM_GREETING" > "$HOME/ctl-greeting.txt"

# A target binds a task to servers. It runs where something it depends on has changed, and nowhere else.
targets:
  greeting:
    servers: here              # names, groups, globs, label=value: "web:&env=prod:!web-03*"
    task: greet
    params: {greeting: Hello from ctl}
    on_drift: heal             # report: only show it · heal: repair it · ignore: do not look
"""

_IGNORE: Final = ".ctl/\n"


def project_name(folder: str) -> str:
    """Make a name for markers out of the name of a folder."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", folder.lower()).strip("-._")[:63]
    return slug if NAME.fullmatch(slug) else "main"


def files(folder: str) -> dict[str, str]:
    """Give every file of the scaffold but the schemas, by path.

    Args:
        folder: the name of the folder, from which the project gets its name.
    """
    return {
        "ctl.yaml": _CTL.format(name=project_name(folder)),
        "inventory/servers.yaml": _SERVERS,
        "pipelines/greeting.yaml": _PIPELINE,
        ".gitignore": _IGNORE,
    }
