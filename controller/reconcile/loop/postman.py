"""One letter to its receiver: the notifier or forge is looked up, its secrets are read now, and the sender gets the message.

Called by `outbox`; calls `notify`. Whatever goes wrong comes out as one kind of error, which never holds an address or a key.
"""

from typing import Final
from weakref import WeakKeyDictionary

from controller.errors import SecretError
from controller.model.ids import Sha
from controller.model.notice import Letter
from controller.model.notifier import Notifier, NotifierKind
from controller.notify.command import Command
from controller.notify.deciding import RECEIVER
from controller.notify.endpoints import Endpoint, endpoint_of, sender_of
from controller.notify.forges.sender import StatusSender
from controller.notify.forges.statuses import Light, Status
from controller.notify.mail import Mailbox
from controller.notify.messages import message_of
from controller.notify.trouble import NotifyError
from controller.planning.folding import short_names
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.world import World

FORGE: Final = "forge/"
"""Begins the receiver of a commit status; the name of the repo follows."""

_FORGES: "WeakKeyDictionary[World, StatusSender]" = WeakKeyDictionary()


async def deliver(world: World, letter: Letter) -> None:
    """Send a letter.

    Raises:
        NotifyError: it was not taken.
    """
    generation = world.generation
    if generation is None:
        raise NotifyError("no declarations are in force")
    if letter.receiver.startswith(FORGE):
        await _post_status(world, generation, letter)
        return
    name = letter.receiver.removeprefix(RECEIVER)
    notifier = generation.declaration.notifiers.get(name)
    if notifier is None:
        raise NotifyError(f"the notifier {name} is not declared any more", permanent=True)
    endpoint = await _endpoint(generation, notifier)
    now = world.rooms.clock.now()
    message = message_of(letter.id, letter.notices, now=now, short=short_names)
    await sender_of(endpoint)(message)


async def _endpoint(generation: Generation, notifier: Notifier) -> Endpoint:
    """Find out where a notifier writes to.

    Raises:
        NotifyError: a secret cannot be read, or the notifier is not allowed here.
    """
    if notifier.kind is NotifierKind.EXEC:
        return _command(generation, notifier)
    smtp = notifier.smtp
    names = [notifier.url, notifier.sign, None if smtp is None else smtp.password]
    url, sign, password = await _secrets(generation, names)
    if smtp is not None:
        return Mailbox(
            host=smtp.host,
            port=smtp.port,
            security=smtp.security,
            user=smtp.user,
            password=password,
            sender=smtp.sender,
            recipients=smtp.recipients,
        )
    return endpoint_of((url or "").strip(), key=None if sign is None else sign.strip())


def _command(generation: Generation, notifier: Notifier) -> Command:
    """Take the program of a notifier, unless this controller runs none that a commit names."""
    if any(one.place == notifier.place for one in generation.refused):
        raise NotifyError(
            f"the notifier {notifier.name} runs a program, which is not allowed here",
            permanent=True,
            hint="ctl serve --allow exec",
        )
    return Command(argv=notifier.exec or ())


async def _secrets(generation: Generation, names: list[str | None]) -> list[str | None]:
    keyring = generation.reach.keyring
    await keyring.gather(name for name in names if name is not None)
    try:
        return [None if name is None else keyring.read(name).reveal() for name in names]
    except SecretError as error:
        raise NotifyError(error.message, hint=error.hint) from None


async def _post_status(world: World, generation: Generation, letter: Letter) -> None:
    """Post a commit status to the forge of its repo.

    Raises:
        NotifyError: it was not taken.
    """
    name = letter.receiver.removeprefix(FORGE)
    repo = generation.declaration.repos.get(name)
    if repo is None or repo.token is None:
        raise NotifyError(f"the repo {name} has no token any more", permanent=True)
    (token,) = await _secrets(generation, [repo.token])
    status = Status(
        state=Light(letter.status["state"]),
        description=letter.status["description"],
        context=letter.status["context"],
        url=letter.status.get("url"),
    )
    sender = _FORGES.setdefault(world, StatusSender(world.rooms.clock))
    await sender.post(repo.url, Sha(letter.status["commit"]), status, token=token or "")
