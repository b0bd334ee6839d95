"""The scripts that the agents of servers offer. Opens the servers."""

import base64
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from controller.api.bodies import Name, Selector
from controller.api.call import Asked
from controller.reconcile.offered import offers_document, source_document
from controller.reconcile.walk.loading import select

On = Annotated[Selector, Query(examples=["web"])]


async def scripts(call: Asked, on: On) -> Response:
    """List the scripts that servers offer; `trouble` says why one could not be asked."""
    call.must_reach(servers=select(on, call.declaration.inventory))
    return call.answer([offers_document(one) for one in await call.controller.offers(on=on)])


async def script(call: Asked, name: Name, on: On) -> Response:
    """Give a script of the one server that `on` picks: headers, digest, and its text (`octets`: its bytes in base64)."""
    call.must_reach(servers=select(on, call.declaration.inventory))
    found = await call.controller.inspect(name, on=on)
    octets = base64.b64encode(found.text).decode()
    return call.answer({**source_document(found), "octets": octets})
