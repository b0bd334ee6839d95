"""YAML as Ansible reads it: 1.1 scalars, merge keys, the last of equal keys wins with a warning, vaults stay closed.

Called by `sources` and `vars`. It builds values from libyaml's events, so that depth, size and the expansion of aliases
are bounded while reading, and so that every key keeps its place.
"""

from collections.abc import Iterator
from typing import Final

import yaml
from yaml import events

from controller.declaration.ansible import scalars, vault
from controller.declaration.ansible.findings import Findings, Refusal
from controller.declaration.ansible.literals import key_text
from controller.model.diagnostic import Place

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 2_000_000
"""Values of one file when all aliases are written out."""

_CODE: Final = "ansible-yaml"
_MERGE: Final = object()
_MAPS: Final = frozenset({None, "!", scalars.CORE + "map", scalars.CORE + "set", "!unsafe"})
_LISTS: Final = frozenset({None, "!", scalars.CORE + "seq", scalars.CORE + "pairs", "!unsafe"})
_OMAP: Final = scalars.CORE + "omap"


class Map(dict[object, object]):
    """A map that knows where each of its keys is written; keys are as YAML reads them."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[object, Place] = {}

    def put(self, key: object, value: object, place: Place) -> None:
        """Set a key; what was there before is forgotten."""
        self[key] = value
        self.places[key] = place


class _Builder:
    """Builds the value of one document from its events."""

    def __init__(self, stream: Iterator[events.Event], path: str, findings: Findings) -> None:
        self.stream = stream
        self.path = path
        self.findings = findings
        self.anchors: dict[str, tuple[object, int]] = {}
        self.count = 0
        self.depth = 0
        self.unsafe = 0

    def place(self, event: events.Event) -> Place:
        """Give where an event begins."""
        mark = event.start_mark
        if mark is None:
            return Place(file=self.path)
        return Place(file=self.path, line=mark.line + 1, column=mark.column + 1)

    def refuse(self, message: str, event: events.Event, hint: str | None = None) -> Refusal:
        """Make a refusal that points at an event."""
        return Refusal(message, self.place(event), code=_CODE, hint=hint)

    def value(self, event: events.Event) -> object:
        """Build the value that begins with `event`."""
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        before = self.count
        self._grow(1, event)
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, events.ScalarEvent):
            made: object = self._scalar(event)
        else:
            made = self._nested(event)
        if anchor is not None:
            if anchor in self.anchors:
                raise self.refuse(f"cannot set the anchor {anchor[:80]!r} twice", event)
            self.anchors[anchor] = (made, self.count - before)
        return made

    def _grow(self, by: int, event: events.Event) -> None:
        self.count += by
        if self.count > MAX_VALUES:
            message = f"cannot read more than {MAX_VALUES} values, aliases written out"
            raise self.refuse(message, event)

    def _alias(self, event: events.AliasEvent) -> object:
        known = self.anchors.get(str(event.anchor))
        if known is None:
            raise self.refuse(f"cannot find the anchor {event.anchor!r} before this alias", event)
        self._grow(known[1], event)
        return known[0]

    def _scalar(self, event: events.ScalarEvent) -> object:
        tag, text = event.tag, event.value
        if tag is None or tag == "!":
            tag = scalars.resolve(text) if event.implicit[0] else scalars.TEXT
        if tag in vault.TAGS:
            return vault.value(text)
        if self.unsafe and tag == scalars.TEXT:
            return scalars.Unsafe(text)
        if tag == scalars.MERGE and event.tag is None:
            return _MERGE
        try:
            return scalars.construct(tag, text)
        except KeyError:
            raise self._bad_tag(tag, event) from None
        except ValueError as error:
            raise self.refuse(f"cannot read the value: {error}", event) from None

    def _bad_tag(self, tag: str, event: events.Event) -> Refusal:
        message = f"cannot read a value tagged {tag[:80]!r}"
        return self.refuse(message, event, "tags that make objects of a program are never followed")

    def _nested(self, event: events.Event) -> object:
        if self.depth >= MAX_DEPTH:
            raise self.refuse(f"cannot read more than {MAX_DEPTH} levels", event)
        tag: str | None = getattr(event, "tag", None)
        is_map = isinstance(event, events.MappingStartEvent)
        if tag != _OMAP and tag not in (_MAPS if is_map else _LISTS):
            raise self._bad_tag(str(tag), event)
        self.depth += 1
        self.unsafe += tag == "!unsafe"
        made: object = self._map() if is_map else self._list()
        self.unsafe -= tag == "!unsafe"
        self.depth -= 1
        return self._shape(tag, made, event)

    def _shape(self, tag: str | None, made: object, event: events.Event) -> object:
        """Give sets and ordered maps the form in which JSON shows them."""
        if tag == scalars.CORE + "set" and isinstance(made, Map):
            return list(made)
        if tag != _OMAP or not isinstance(made, list):
            return made
        ordered = Map()
        for item in made:
            if not isinstance(item, Map) or len(item) != 1:
                raise self.refuse("cannot read an ordered map: a list of pairs is expected", event)
            for key, value in item.items():
                ordered.put(key, value, item.places[key])
        return ordered

    def _list(self) -> list[object]:
        made: list[object] = []
        for event in self.stream:
            if isinstance(event, events.SequenceEndEvent):
                break
            item = self.value(event)
            made.append("<<" if item is _MERGE else item)
        return made

    def _map(self) -> Map:
        made, merged = Map(), Map()
        for event in self.stream:
            if isinstance(event, events.MappingEndEvent):
                break
            key = self.value(event)
            place = self.place(event)
            first = next(self.stream)
            value = self.value(first)
            if key is _MERGE:
                self._merge(merged, value, first)
                continue
            if isinstance(key, dict | list):
                raise self.refuse("cannot use a map or a list as a key", event)
            self._put(made, key, "<<" if value is _MERGE else value, place)
        if not merged:
            return made
        for key, value in made.items():
            merged.put(key, value, made.places[key])
        return merged

    def _put(self, made: Map, key: object, value: object, place: Place) -> None:
        if key in made:
            earlier = made.places[key]
            self.findings.warn(
                f"{key_text(key)!r} is set twice; the last one counts, the one in line {earlier.line} does not",
                place,
                code="duplicate-key",
            )
        made.put(key, value, place)

    def _merge(self, merged: Map, value: object, event: events.Event) -> None:
        """Take over what `<<` names: of several maps in a list the first that has a key wins."""
        sources = value[::-1] if isinstance(value, list) else [value]
        for source in sources:
            if not isinstance(source, Map):
                raise self.refuse("cannot merge: '<<' takes a map or a list of maps", event)
            self._grow(len(source), event)
            for key, item in source.items():
                merged.put(key, item, source.places[key])


def read(text: str, path: str, findings: Findings) -> object:
    """Read the one document of a YAML file; maps are `Map`, an empty file is None.

    Raises:
        Refusal: it is not YAML, has several documents, a tag of a program, or no bounds.
    """
    try:
        return _document(iter(yaml.parse(text, Loader=_PARSER)), path, findings)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (
            Place(file=path, line=mark.line + 1, column=mark.column + 1)
            if mark
            else Place(file=path)
        )
        raise Refusal(f"cannot read YAML: {error.problem}", place, code=_CODE) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = Place(file=path, line=before.count("\n") + 1)
        raise Refusal(f"cannot read YAML: {error.reason}", place, code=_CODE) from None


def _document(stream: Iterator[events.Event], path: str, findings: Findings) -> object:
    builder = _Builder(stream, path, findings)
    made: object = None
    documents = 0
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise builder.refuse("cannot read a second document in one file", event)
            made = builder.value(next(stream))
    return "<<" if made is _MERGE else made


def plain(value: object) -> object:
    """Give a value without places, its keys as JSON writes them."""
    if isinstance(value, dict):
        return {key_text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


_PARSER: Final[type[yaml.SafeLoader | yaml.CSafeLoader]] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)
"""libyaml where it was built in; only its events are used, its composer would recurse without bounds."""
