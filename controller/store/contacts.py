"""How servers were reached over time, in the database.

Built by `shelves`; calls the writer and the reader. There is one row for each declared server.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import bindparam, delete, select

from controller.model.serving import Contact
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import CONTACTS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ALL: Final = select(CONTACTS.c.data)
_GET: Final = _ALL.where(CONTACTS.c.server == bindparam("its_server"))
_PUT: Final = upsert(CONTACTS, keys=("server",), set_=("data",))
_FORGET: Final = delete(CONTACTS).where(CONTACTS.c.server == bindparam("its_server"))


class SqlContacts:
    """How servers were reached over time."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> Mapping[str, Contact]:
        """Read every contact by server."""
        return await self._reader.read(
            lambda c: by_server(decode(Contact, data) for data in c.execute(_ALL).scalars())
        )

    async def get(self, server: str) -> Contact | None:
        """Read the contact of one server."""
        values = {"its_server": server}
        data = await self._reader.read(lambda c: c.execute(_GET, values).scalar(), single=True)
        return None if data is None else decode(Contact, data)

    async def put(self, contacts: Iterable[Contact]) -> None:
        """Replace the contacts of these servers."""
        rows = [{"server": contact.server, "data": encode(contact)} for contact in contacts]
        if rows:
            await self._writer.run(_PUT, rows)

    async def forget(self, servers: Iterable[str]) -> None:
        """Delete contacts."""
        rows = [{"its_server": server} for server in servers]
        if rows:
            await self._writer.run(_FORGET, rows)


def by_server(contacts: Iterable[Contact]) -> Mapping[str, Contact]:
    """Give contacts in the order of their servers."""
    found = {contact.server: contact for contact in contacts}
    return {server: found[server] for server in sorted(found)}
