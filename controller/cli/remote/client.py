"""Requests to a serving controller, and its answers; what it refuses comes out as the same errors as here.

Called by the other files of this package; calls httpx. One connection is kept for as long as a command lasts.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx

from controller.cli.remote.refusals import IS_IT, UNTRUSTED, UnreachedError, error_of, words_of
from controller.cli.remote.trust import trust_of
from controller.cli.remote.way import Way

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 600.0
"""A plan that opens many servers takes its time."""
SILENCE_SECONDS: Final = 10.0
"""Without an answer after which it is asked whether a controller is there at all."""
SIGN_SECONDS: Final = 20.0
"""In which that has to be answered."""
STREAM_SECONDS: Final = 60.0
"""Without a word of what goes on; a controller says something every 15 s."""
EVENTS: Final = "text/event-stream"
PATIENCE_SECONDS: Final = 60.0
"""How long a request that comes too often is sent again."""
LEAST_SECONDS: Final = 0.1
MOST: Final = 256 << 20
"""Bytes of one answer."""
Query = Mapping[str, str | int | bool | None]


class Client:
    """Speaks to one controller, for as long as its context lasts.

    Args:
        way: where it is.
        transport: takes the requests instead of the network, for tests.
    """

    def __init__(self, way: Way, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = way.url
        headers = {"accept": "application/json"}
        if way.token is not None:
            headers["authorization"] = f"Bearer {way.token}"
        trust = trust_of(way)
        self._shown = trust.shown
        self._http = httpx.AsyncClient(
            base_url=way.url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            verify=trust.verify,
            transport=transport,
            trust_env=False,  # a token goes nowhere but to the controller
        )

    async def __aenter__(self) -> Self:
        """Begin to speak; nothing is sent yet."""
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Let go of the connection; an error that does not say which controller it is about does so then."""
        await self.close()
        if isinstance(error, UnreachedError) and self.url not in error.message:
            error.message = f"{self.url}: {error.message}"
            error.args = (error.message,)
            error.hint = error.hint or IS_IT

    async def get(self, path: str, /, **query: str | int | bool | None) -> object:
        """Ask for a document."""
        return await self._ask("GET", path, query=query)

    async def pages(self, path: str, /, **query: str | int | bool | None) -> list[object]:
        """Ask for everything of a list, page by page."""
        items: list[object] = []
        cursor: str | None = None
        while True:
            page = mapping(await self.get(path, **query, cursor=cursor))
            items += listing(page["items"])
            cursor = page.get("next")  # type: ignore[assignment]  # text or null, by its shape
            if not cursor:
                return items

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> object:
        """Ask for a change; with `key` one that is asked again is done once."""
        return await self._ask(method, path, body=body, key=key)

    async def upload(self, path: str, data: bytes, **query: str | int | bool | None) -> object:
        """Put bytes somewhere."""
        return await self._ask("PUT", path, query=query, data=data)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        accept: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        **query: str | int | bool | None,
    ) -> AsyncIterator[httpx.Response]:
        """Open an answer that goes on.

        Raises:
            ControllerError: it is refused, or the controller is not reached.
        """
        patience = STREAM_SECONDS if accept == EVENTS else ANSWER_SECONDS
        request = self._http.build_request(
            method,
            path,
            params=_params(query),
            headers={**(headers or {}), "accept": accept},
            timeout=httpx.Timeout(patience, connect=CONNECT_SECONDS),
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    raise error_of(await _whole(response), self.url)
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        data: bytes | None = None,
        key: str | None = None,
    ) -> object:
        request = self._http.build_request(
            method,
            path,
            params=_params(query or {}),
            json=body,
            content=data,
            headers={} if key is None else {"idempotency-key": key},
        )
        response = await self._send(request)
        if response.is_error or response.is_redirect:
            raise error_of(response, self.url)
        if not response.content:
            return None
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise UnreachedError(
                f"cannot read what {self.url} answers: it is no JSON", hint=IS_IT
            ) from error

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, again after a while where it came too often: such a one was not done."""
        waited = 0.0
        while True:
            response = await self._answered(request)
            pause = retry_after(response)
            if pause is None or waited + pause > PATIENCE_SECONDS:
                return response
            await asyncio.sleep(pause)
            waited += pause

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        """Wait for an answer, for as long as a controller is there."""
        asking = asyncio.ensure_future(self._asked(request))
        try:
            while not (await asyncio.wait({asking}, timeout=SILENCE_SECONDS))[0]:
                await self._http.get(
                    "/healthz", timeout=SIGN_SECONDS
                )  # any answer is a sign of life
            return asking.result()
        except httpx.HTTPError as error:
            raise self._unreached(error) from error
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        response = await self._http.send(request, stream=True)
        try:
            return await _whole(response)
        finally:
            await response.aclose()

    def _unreached(self, error: httpx.HTTPError) -> UnreachedError:
        said = words_of(error)
        hint = f"curl {self.url}/healthz"
        if UNTRUSTED in said:
            hint = "ca of the context names its authority; the address has to be one that it names"
        elif (
            self._shown is not None
        ):  # whoever does not know its authority ends the connection without a word
            hint += f", and see that its authority signed the certificate {self._shown}"
        return UnreachedError(f"cannot reach the controller {self.url}: {said}", hint=hint)


async def _whole(response: httpx.Response) -> httpx.Response:
    """Read an answer to its end, within the bound.

    Raises:
        UnreachedError: it is larger.
    """
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > MOST:
            raise UnreachedError(
                f"cannot read what the controller answers: it is more than {MOST >> 20} MiB"
            )
    kept = {"retry-after": response.headers.get("retry-after", "")}
    return httpx.Response(
        response.status_code, headers=kept, content=bytes(data), extensions=response.extensions
    )


def retry_after(response: httpx.Response) -> float | None:
    """Say after how many seconds a request that came too often may come again; None for any other answer."""
    text = response.headers.get("retry-after", "")
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or not text.isdecimal():
        return None
    return max(LEAST_SECONDS, float(text[:6]))


def word(text: str) -> str:
    """Write a name as a part of a path."""
    return quote(text, safe="")


class Document(dict[str, object]):
    """What a controller answers; a part that it leaves out, though it is asked for, is a fault of the controller."""

    def __missing__(self, key: str) -> object:
        """Say which part it leaves out."""
        raise UnreachedError(
            f"cannot read what the controller answers: it has no {key!r}",
            hint="is it a controller of Tillerman, and of this version?",
        )


def mapping(value: object) -> dict[str, object]:
    """Demand a document that is a mapping.

    Raises:
        UnreachedError: it is none.
    """
    if not isinstance(value, dict):
        raise UnreachedError("cannot read what the controller answers: it is no mapping")
    return Document(value)


def listing(value: object) -> list[object]:
    """Demand a document that is a list.

    Raises:
        UnreachedError: it is none.
    """
    if not isinstance(value, list):
        raise UnreachedError("cannot read what the controller answers: it is no list")
    return value


def _params(query: Query) -> dict[str, str | int | bool]:
    return {name: value for name, value in query.items() if value is not None}
