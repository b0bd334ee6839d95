"""One dialer for all carriers: picks by how a server is declared to be reached.

Built by `service`; makes a carrier's dialer when a server first needs it, so that nobody pays for ssh who does not use it.
"""

from collections.abc import Callable, Mapping

from controller.model.inventory import Carrier, Server
from controller.transport.port import Dialer, Session


class CarrierDialer:
    """Opens sessions by the carrier of each server."""

    def __init__(self, makers: Mapping[Carrier, Callable[[], Dialer]]) -> None:
        self._makers = makers
        self._dialers: dict[Carrier, Dialer] = {}

    async def open(self, server: Server) -> Session:
        """Reach a server by its own carrier."""
        return await self._dialer(server).open(server)

    async def fresh(self, server: Server) -> Session:
        """Reach a server by its own carrier, over a connection made now."""
        return await self._dialer(server).fresh(server)

    def _dialer(self, server: Server) -> Dialer:
        """Give the dialer of a server's carrier, made when first needed."""
        if server.carrier not in self._dialers:
            self._dialers[server.carrier] = self._makers[server.carrier]()
        return self._dialers[server.carrier]

    async def close(self) -> None:
        """Close every carrier; work goes on."""
        dialers, self._dialers = self._dialers, {}
        for dialer in dialers.values():
            await dialer.close()
