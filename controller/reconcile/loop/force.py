"""What is in force in this process: the generation, and the way to servers and secrets that it gives.

Made by `service` before anything else of the loop, because the engine, the rooms and the world all look here. Changed by the
reconciler of `config` alone. A way that is no longer in force is closed when the last session over it is given back: what runs
over it goes on.
"""

from dataclasses import replace

from controller.errors import SecretError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.rooms import Loaded, Reach
from controller.transport.lent import LentSession
from controller.transport.port import Dialer, Session


class CountedDialer:
    """A dialer that knows how many of its sessions are in use, so that it can be closed when none is."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._used = 0
        self._retired = False

    async def open(self, server: Server) -> Session:
        """Reach a server."""
        return await self._lend(await self._dialer.open(server))

    async def fresh(self, server: Server) -> Session:
        """Reach a server over a connection of its own."""
        return await self._lend(await self._dialer.fresh(server))

    async def retire(self) -> None:
        """Close it as soon as nobody uses it any more."""
        self._retired = True
        if not self._used:
            await self._dialer.close()

    async def close(self) -> None:
        """Close every connection now; work goes on."""
        await self._dialer.close()

    async def _lend(self, session: Session) -> Session:
        self._used += 1

        async def end() -> None:
            await session.close()
            self._used -= 1
            if self._retired and not self._used:
                await self._dialer.close()

        return LentSession(session, end)


class InForce:
    """The generation in force, None until one was loaded, and the newest declarations that were refused."""

    def __init__(self) -> None:
        self.generation: Generation | None = None
        self.invalid: Invalid | None = None
        self.dialer = SwitchDialer(self)
        """Reaches servers as the generation in force says; for the engine."""

    def loaded(self) -> Loaded | None:
        """Give what a walk starts from: the declarations in force."""
        if self.generation is None or self.generation.seen.tree is None:
            return None
        seen = self.generation.seen
        return Loaded(
            revision=self.generation.revision,
            tree=self.generation.seen.tree,
            declaration=seen.declaration,
            diagnostics=(*seen.diagnostics, *self.generation.refused),
            reach=self.generation.reach,
            refused=() if self.invalid is None else self.invalid.diagnostics,
        )

    def secret(self, name: str) -> str:
        """Read a secret as the generation in force declares it.

        Raises:
            SecretError: it cannot be read, or nothing is in force.
        """
        if self.generation is None:
            raise SecretError(f"cannot read secret {name}: no declarations are in force")
        return self.generation.reach.keyring.read(name).reveal()

    async def change(self, generation: Generation) -> Generation:
        """Put another generation in force; give it with the way to servers that it has from now on.

        Where servers, secrets and pinned hosts are as before, the way stays the same, and so do its connections.
        """
        before = self.generation
        if before is not None and _same_way(before, generation):
            reach = before.reach
        else:
            reach = replace(generation.reach, dialer=CountedDialer(generation.reach.dialer))
        self.generation = replace(generation, seen=replace(generation.seen, reach=reach))
        if before is not None and before.reach is not reach:
            await _retire(before.reach)
        return self.generation

    async def close(self) -> None:
        """Close the way in force."""
        if self.generation is not None:
            await self.generation.reach.dialer.close()


class SwitchDialer:
    """Reaches servers by the way that is in force at that moment."""

    def __init__(self, force: InForce) -> None:
        self._force = force

    async def open(self, server: Server) -> Session:
        """Reach a server.

        Raises:
            TransportError: it was not reached, or nothing is in force.
        """
        return await self._now(server).open(server)

    async def fresh(self, server: Server) -> Session:
        """Reach a server over a connection of its own.

        Raises:
            TransportError: it was not reached, or nothing is in force.
        """
        return await self._now(server).fresh(server)

    async def close(self) -> None:
        """Keep everything open: the way in force is not ours alone."""

    def _now(self, server: Server) -> Dialer:
        if self._force.generation is None:
            raise TransportError(
                f"cannot reach {server.name}: no declarations are in force",
                cause=Unreachable.STATE,
            )
        return self._force.generation.reach.dialer


def _same_way(before: Generation, after: Generation) -> bool:
    one, other = before.declaration, after.declaration
    return (
        one.inventory.servers == other.inventory.servers
        and one.secrets == other.secrets
        and one.sealed == other.sealed
        and before.reach.known_hosts == after.reach.known_hosts
    )


async def _retire(reach: Reach) -> None:
    if isinstance(reach.dialer, CountedDialer):
        await reach.dialer.retire()
