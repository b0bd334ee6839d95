"""YAML inventories: maps of groups with `hosts`, `children` and `vars`.

Called by `sources` with what `yaml` read (or TOML's maps); fills a `Draft`.
"""

from typing import Final

from controller.declaration.ansible import ranges, yaml
from controller.declaration.ansible.draft import Draft, DraftGroup, set_group
from controller.declaration.ansible.findings import Findings, Refusal
from controller.declaration.ansible.literals import key_text
from controller.model.diagnostic import Place

_CODE: Final = "ansible-yaml"
_SECTIONS: Final = ("vars", "children", "hosts")


class _Reader:
    """Reads group after group into the draft."""

    def __init__(self, draft: Draft, findings: Findings) -> None:
        self.draft = draft
        self.findings = findings

    def group(self, group_name: object, body: object, place: Place) -> None:
        """Read one group, and those below it."""
        if body is not None and not isinstance(body, yaml.Map):
            self._warn(f"{key_text(group_name)!r} is not read: a group is a map", place)
            return
        group = self.draft.group(group_name, place)
        if body is None:
            return
        for key in _SECTIONS:
            if key in body:
                body[key] = _section(body[key], key, group, body.places[key])
        for name, part in body.items():
            if isinstance(part, yaml.Map):
                self._part(group, name, part, body.places[name])
            elif part is not None:
                self._warn(f"{key_text(name)!r} is not read: it is not a map", body.places[name])

    def _part(self, group: DraftGroup, key: object, section: yaml.Map, place: Place) -> None:
        if key == "vars":
            for name, value in section.items():
                set_group(group, key_text(name), yaml.plain(value), section.places[name])
        elif key == "children":
            for name, body in section.items():
                self._child(group, name, body, section.places[name])
        elif key == "hosts":
            for pattern, body in section.items():
                self._hosts(group, pattern, body, section.places[pattern])
        else:
            names = ", ".join(_SECTIONS)
            self._warn(f"{key_text(key)!r} is not read: a group has {names}", place)

    def _child(self, parent: DraftGroup, name: object, body: object, place: Place) -> None:
        self.group(name, body, place)
        if not isinstance(name, str) or name not in self.draft.groups:
            message = f"cannot find the child group {key_text(name)!r}: it is not a map"
            raise Refusal(message, place, code=_CODE)
        self.draft.adopt(parent, name, place)

    def _hosts(self, group: DraftGroup, pattern: object, body: object, place: Place) -> None:
        if not isinstance(pattern, str):
            message = f"cannot use {key_text(pattern)} as a host pattern: text is expected"
            raise Refusal(message, place, code=_CODE, hint="put it in quotation marks")
        if body and not isinstance(body, yaml.Map):
            message = f"cannot read the variables of {pattern[:80]!r}: a map is expected"
            raise Refusal(message, place, code=_CODE)
        try:
            names, port = ranges.expand(pattern)
        except ValueError as error:
            message = f"cannot read the host pattern: {error}"
            raise Refusal(message, place, code=_CODE) from None
        values = body if isinstance(body, yaml.Map) else yaml.Map()
        said = {key: (key_text(key), yaml.plain(value)) for key, value in values.items()}
        self.draft.count(len(names), len(said), place)
        for name in names:
            host = self.draft.host(name, group, port, place)
            for key, (variable, value) in said.items():
                host.said.set(variable, value, values.places[key])

    def _warn(self, message: str, place: Place) -> None:
        self.findings.warn(message, place, code="not-read")


def read(value: object, path: str, draft: Draft, findings: Findings) -> None:
    """Read the maps of a YAML inventory into `draft`.

    Raises:
        Refusal: it is not an inventory, or a part of it cannot be read.
    """
    start = Place(file=path)
    if not isinstance(value, yaml.Map):
        raise Refusal("cannot read an inventory: a map of groups is expected", start, code=_CODE)
    if value.get("plugin"):
        raise Refusal(
            f"cannot read {key_text(value['plugin'])[:80]!r}: it asks a plugin of Ansible for its hosts",
            value.places["plugin"],
            code="ansible-plugin",
            hint="save what `ansible-inventory --list --export --yaml` prints, and read that",
        )
    reader = _Reader(draft, findings)
    for name, body in value.items():
        reader.group(name, body, value.places[name])


def _section(body: object, key: str, group: DraftGroup, place: Place) -> object:
    """Take the short form, a name alone, for a map with that one name."""
    if isinstance(body, str):
        single = yaml.Map()
        single.put(body, None, place)
        return single
    if body is None or isinstance(body, yaml.Map):
        return body
    message = f"cannot read {key!r} of group {group.name!r}: a map is expected"
    raise Refusal(message, place, code=_CODE, hint="write `NAME:` for each, not `- NAME`")
