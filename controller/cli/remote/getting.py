"""`ctl get` of a serving controller: its documents as they come; `views/rows` makes tables of them, as of those that are made here."""

from controller.cli.remote.client import Client, mapping, word


async def documents(client: Client, kind: str, name: str) -> list[dict[str, object]]:
    """Ask for all of a kind, or for one.

    Raises:
        NotFoundError: there is none of that name.
    """
    path = f"/api/v1/{kind}"
    if name:
        return [mapping(await client.get(f"{path}/{word(name)}"))]
    return [mapping(one) for one in await client.pages(path, limit=500)]
