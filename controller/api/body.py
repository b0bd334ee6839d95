"""The body of a request: read whole within bounds of size and time, and JSON only where it has one reading.

Called by the gate after whoever asks is known.
"""

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NoReturn
from urllib.parse import parse_qs

from starlette.types import Message, Receive

from controller.api.problems import ProblemError, refuse
from controller.api.route import Body, Route
from controller.api.settings import ApiSettings

HEADERS: Final = 100
"""Headers of a request."""
FIELDS: Final = 20
"""Fields of a form; ours have three."""
DEPTH: Final = 64
"""Lists and objects of JSON inside each other."""
MEDIA: Final = {Body.JSON: b"application/json", Body.FORM: b"application/x-www-form-urlencoded"}
Headers = Sequence[tuple[bytes, bytes]]


def header(headers: Headers, name: bytes) -> bytes | None:
    """Give the value of a header; None where it is missing.

    Raises:
        ProblemError: it is there more than once, so that there are two readings.
    """
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise refuse(
            HTTPStatus.BAD_REQUEST, "bad-header", f"the header {name.decode()} is there twice"
        )
    return values[0] if values else None


def guard_framing(headers: Headers, most: int) -> None:
    """Refuse a request whose head is too large, whose length has two readings, or whose body would have to be unpacked.

    Raises:
        ProblemError: 400, 415 or 431.
    """
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if size > most or len(headers) > HEADERS:
        raise refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            f"the headers have at most {most} bytes, and there are at most {HEADERS}",
            connection="close",
        )
    length, coding = header(headers, b"content-length"), header(headers, b"transfer-encoding")
    if length is not None and coding is not None:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            "bad-framing",
            "a request has either a length or chunks",
            connection="close",
        )
    packed = header(headers, b"content-encoding")
    if packed is not None and packed.strip().lower() != b"identity":
        raise refuse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "packed-body", "bodies are not unpacked here"
        )


async def read(route: Route, headers: Headers, receive: Receive, settings: ApiSettings) -> bytes:
    """Read the body of a request.

    Raises:
        ProblemError: it is too large, too slow, or not what the route takes.
    """
    most = settings.hook_body if route.large else settings.body
    told = header(headers, b"content-length")
    if told is not None and int(told) > most:
        raise too_large(most)
    try:
        async with asyncio.timeout(settings.body_seconds):
            data = await _whole(receive, most)
    except TimeoutError:
        raise refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            "slow-body",
            "the request came too slowly",
            connection="close",
        ) from None
    if data:
        _guard_kind(route, headers)
    if route.body is Body.JSON and data:
        guard_json(data)
    return data


async def _whole(receive: Receive, most: int) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise refuse(HTTPStatus.BAD_REQUEST, "cut-body", "the request ended early")
        data += message.get("body", b"")
        if len(data) > most:
            raise too_large(most)
        if not message.get("more_body", False):
            return bytes(data)


def too_large(most: int) -> ProblemError:
    """Say that a body is larger than it may be; the rest of it is not read."""
    return refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        f"a body has at most {most} bytes here",
        connection="close",
    )


def _guard_kind(route: Route, headers: Headers) -> None:
    if route.body is Body.RAW:
        return
    if route.body is Body.NONE:
        raise refuse(HTTPStatus.BAD_REQUEST, "no-body-here", "this takes no body")
    kind = (header(headers, b"content-type") or b"").split(b";")[0].strip().lower()
    if kind != MEDIA[route.body]:
        raise refuse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "wrong-media-type",
            f"this takes {MEDIA[route.body].decode()}",
        )


def guard_json(data: bytes) -> None:
    """Refuse JSON with two readings: names twice, NaN, half surrogates; and what nests too deep or holds NUL.

    Raises:
        ProblemError: it is not JSON, or one of these.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise bad_json("it nests too deep") from None
    except ValueError as error:  # of decoding, of JSON, of half surrogates
        said = str(error) if isinstance(error, _TwoReadingsError) else "it cannot be read"
        raise bad_json(said) from None
    _walk(value, 0)


class _TwoReadingsError(ValueError):
    """The JSON means one thing to some, and another to others."""


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwoReadingsError("an object names something twice")
    return made


def _no_number(word: str) -> NoReturn:
    raise _TwoReadingsError(f"{word} is not a number of JSON")


def _walk(value: object, depth: int) -> None:
    if depth > DEPTH:
        raise bad_json("it nests too deep")
    match value:
        case str() if "\0" in value:
            raise bad_json("a text holds NUL")
        case dict():
            for key, item in value.items():
                _walk(key, depth)
                _walk(item, depth + 1)
        case list():
            for item in value:
                _walk(item, depth + 1)
        case _:
            pass


def bad_json(why: str) -> ProblemError:
    """Say that a body is not JSON as it is taken here."""
    return refuse(HTTPStatus.BAD_REQUEST, "bad-json", f"cannot take the body: {why}")


def field_of(data: bytes, name: str) -> str | None:
    """Give the first value of a field of a form; None where it is missing.

    Raises:
        ProblemError: 400, it has too many fields.
    """
    try:
        fields = parse_qs(data.decode("utf-8", "replace"), max_num_fields=FIELDS)
    except ValueError:
        raise refuse(
            HTTPStatus.BAD_REQUEST, "bad-form", f"a form has at most {FIELDS} fields"
        ) from None
    return fields.get(name, [None])[0]


def replay(data: bytes, receive: Receive) -> Receive:
    """Give a body that was read to whoever comes after; then tell only of the end of the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    return again
