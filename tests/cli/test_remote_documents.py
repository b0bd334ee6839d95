"""A server that answers, but not as a controller of this version does: that is said in words, whatever was asked."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from controller.cli.remote.client import Client, mapping
from controller.cli.remote.controller import RemoteController
from controller.cli.remote.refusals import UnreachedError
from controller.cli.remote.way import Way
from controller.cli.views.documents import to_json, to_yaml
from controller.reconcile.exchange.progress import Progress


def unheard(_: Progress) -> None:
    pass


@pytest.mark.parametrize(
    "ask",
    [
        lambda there: there.status(),
        lambda there: there.jobs.list(),
        lambda there: there.why("shop", "web-1"),
        lambda there: there.doctor(),
        lambda there: there.check_server("web-1"),
    ],
)
async def test_a_document_that_lacks_what_was_asked_for_is_refused_in_words(
    ask: Callable[[RemoteController], Awaitable[object]],
) -> None:
    client = Client(
        Way(url="http://127.0.0.1:1"),
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})),
    )
    with pytest.raises(UnreachedError, match="cannot read what the controller answers: it has no"):
        await ask(RemoteController(client, unheard))


def test_a_document_is_printed_as_it_came() -> None:
    told = {"name": "shop", "parts": [{"a": None}]}
    assert to_yaml(mapping(told)) == to_yaml(told)
    assert to_json([mapping(told)]) == to_json([told])
