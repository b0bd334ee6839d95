"""What is declared of the fleet as a whole: inventories of other tools, notifiers, rules of access, and secrets by their names."""

from starlette.responses import Response

from controller.api.bodies import Name
from controller.api.call import Asked, Call
from controller.api.paging import Paged
from controller.api.resources.fleet import World, found, listed, world_of
from controller.reconcile import declared_kinds


async def world(call: Call) -> World:
    """Give what is declared to those who see the whole fleet."""
    call.must_reach_all()
    return await world_of(call)


async def inventories(call: Asked, page: Paged) -> Response:
    """List inventories of other tools with the servers that they gave."""
    known = await world(call)

    def write(name: str) -> object:
        return declared_kinds.inventory_document(known, name)

    return listed(call, "inventories", known.declared.inventories, write, page)


async def inventory(call: Asked, name: Name) -> Response:
    """Give an inventory of another tool."""
    known = await world(call)
    found(known.declared.inventories, name, "inventory")
    return call.answer(declared_kinds.inventory_document(known, name))


async def notifiers(call: Asked, page: Paged) -> Response:
    """List notifiers; secrets are named, never shown."""
    known = await world(call)

    def write(name: str) -> object:
        return declared_kinds.notifier_document(known, name)

    return listed(call, "notifiers", known.declared.notifiers, write, page)


async def notifier(call: Asked, name: Name) -> Response:
    """Give a notifier."""
    known = await world(call)
    found(known.declared.notifiers, name, "notifier")
    return call.answer(declared_kinds.notifier_document(known, name))


async def rules(call: Asked, page: Paged) -> Response:
    """List the rules of `access`: who may do what."""
    known = await world(call)

    def write(name: str) -> object:
        return declared_kinds.rule_document(known, name)

    return listed(call, "access", known.declared.access.rules, write, page)


async def rule(call: Asked, name: Name) -> Response:
    """Give the rule of `access` of a name."""
    known = await world(call)
    found(known.declared.access.rules, name, "rule of access")
    return call.answer(declared_kinds.rule_document(known, name))


async def secrets(call: Asked, page: Paged) -> Response:
    """List secrets by name, kind and end; where they lie on the controller's machine is not told, much less what they hold."""
    known = await world(call)

    def write(name: str) -> object:
        return secret_document(known, name)

    return listed(call, "secrets", known.declared.secrets, write, page)


async def secret(call: Asked, name: Name) -> Response:
    """Give a secret's name, kind and end."""
    known = await world(call)
    found(known.declared.secrets, name, "secret")
    return call.answer(secret_document(known, name))


def secret_document(known: World, name: str) -> dict[str, object]:
    """Give a secret without its source."""
    made = declared_kinds.secret_document(known, name)
    return {**made, "source": {known.declared.secrets[name].kind.value: None}}
