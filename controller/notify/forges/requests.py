"""What is asked of each kind of forge, and what its answers mean.

Called by `sender`; calls nobody. Pure: a request is a record, an answer too.
"""

import http
import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from controller.model.ids import Sha
from controller.notify.exchange import Answer, Request, retry_after
from controller.notify.forges.addresses import FEWEST, Address
from controller.notify.forges.statuses import Light, Status
from controller.notify.trouble import NotifyError

TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
LONGEST_WAIT: Final = 3600.0
"""Seconds that a forge can make us wait."""
AGENT: Final = "tillerman"
PASSING: Final = frozenset({408, 409, 425, 429})
"""Answers below 500 that tell of the moment and not of the status."""
DENIED: Final = frozenset({401, 403, 404})
UNDERSTOOD: Final = frozenset({200, 401, 403})


class Forge(StrEnum):
    """A kind of forge; Forgejo answers as Gitea does."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


KNOWN: Final = {
    "github.com": Forge.GITHUB,
    "gitlab.com": Forge.GITLAB,
    "codeberg.org": Forge.GITEA,
    "gitea.com": Forge.GITEA,
}
"""Whom nobody needs to ask what they are."""
RIGHTS: Final = {
    Forge.GITHUB: "the token needs the right to write commit statuses",
    Forge.GITLAB: "the token needs the scope api and the role Developer",
    Forge.GITEA: "the token needs the scope write:repository",
}
OF_GITLAB: Final = {Light.FAILURE: "failed", Light.ERROR: "failed"}


def probes(address: Address, token: str) -> tuple[tuple[Forge, Request], ...]:
    """Write the questions by which a forge shows what it is: only its own kind knows the answer."""
    asked = (
        (Forge.GITEA, f"{address.below}/api/v1/version"),
        (Forge.GITLAB, f"{address.root}/api/v4/version"),
        (Forge.GITHUB, f"{address.root}/api/v3/meta"),
    )
    return tuple(
        (forge, Request(method="GET", url=url, headers=_headers(forge, token), body=b""))
        for forge, url in asked
    )


def knows(answer: Answer) -> bool:
    """Say whether a forge understood a question about itself; it may want another token for the answer.

    Raises:
        NotifyError: it is too busy to say.
    """
    if answer.status in PASSING or answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NotifyError(f"it answers {answer.status} when asked what it is")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return answer.status in UNDERSTOOD and kind == "application/json"


def posting(forge: Forge, address: Address, sha: Sha, status: Status, token: str) -> Request:
    """Write the request that posts a status.

    Raises:
        NotifyError: no such forge has a repo of that address, or the token cannot be one.
    """
    headers = {**_headers(forge, token), "Content-Type": "application/json"}
    url, body = _said(forge, address, sha, status)
    encoded = json.dumps(body, ensure_ascii=True).encode()
    return Request(method="POST", url=url, headers=headers, body=encoded)


def _said(forge: Forge, address: Address, sha: Sha, status: Status) -> tuple[str, dict[str, str]]:
    match forge:
        case Forge.GITHUB:
            return f"{_github(address)}/statuses/{sha}", _body(status, name="context")
        case Forge.GITLAB:
            path = quote("/".join(address.parts), safe="")
            state = OF_GITLAB.get(status.state, status.state.value)
            url = f"{address.root}/api/v4/projects/{path}/statuses/{sha}"
            return url, {**_body(status, name="name"), "state": state}
        case Forge.GITEA:
            url = f"{address.below}/api/v1/repos/{_two(address)}/statuses/{sha}"
            return url, _body(status, name="context")


def judge(forge: Forge, status: Status, answer: Answer, *, now: datetime) -> None:
    """Say nothing when a status was posted, or stood there already.

    Raises:
        NotifyError: it was not.
    """
    code = answer.status
    if http.HTTPStatus.OK <= code < http.HTTPStatus.MULTIPLE_CHOICES:
        return
    if _waits_already(forge, status, answer):
        return
    wait = _wait(answer, now)
    limited = code in DENIED and wait is not None
    later = code in PASSING or code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or limited
    raise NotifyError(
        f"it answers {code} to a commit status",
        permanent=not later,
        retry_after=wait if later else None,
        hint=None if later else _remedy(forge, code),
    )


def _headers(forge: Forge, token: str) -> dict[str, str]:
    bare = token.strip()
    if TOKEN.fullmatch(bare) is None:
        raise NotifyError(
            "its token is empty, or holds spaces or control characters",
            permanent=True,
            hint="give the secret named by `token:` the bare token",
        )
    common = {"User-Agent": AGENT, "Accept": "application/json"}
    match forge:
        case Forge.GITHUB:
            version = {
                "X-GitHub-Api-Version": "2022-11-28",
                "Accept": "application/vnd.github+json",
            }
            return {**common, **version, "Authorization": f"Bearer {bare}"}
        case Forge.GITLAB:
            return {**common, "PRIVATE-TOKEN": bare}
        case Forge.GITEA:
            return {**common, "Authorization": f"token {bare}"}


def _body(status: Status, *, name: str) -> dict[str, str]:
    said = {"state": status.state.value, "description": status.description, name: status.context}
    return said if status.url is None else {**said, "target_url": status.url}


def _github(address: Address) -> str:
    if address.host == "github.com":
        return f"https://api.github.com/repos/{_two(address, only=True)}"
    return f"{address.root}/api/v3/repos/{_two(address, only=True)}"


def _two(address: Address, *, only: bool = False) -> str:
    """Give owner and name."""
    if only and len(address.parts) != FEWEST:
        raise NotifyError("a repo there has an owner and a name, no more", permanent=True)
    return "/".join(quote(part, safe="") for part in address.parts[-FEWEST:])


def _waits_already(forge: Forge, status: Status, answer: Answer) -> bool:
    """Whether an older GitLab refuses to let wait what waits; what has ended there may be said again."""
    refused = answer.status == http.HTTPStatus.BAD_REQUEST
    return forge is Forge.GITLAB and refused and status.state is Light.PENDING


def _remedy(forge: Forge, code: int) -> str | None:
    if code in DENIED:
        return RIGHTS[forge]
    if http.HTTPStatus.MULTIPLE_CHOICES <= code < http.HTTPStatus.BAD_REQUEST:
        return "the repo has moved: write its new address in `url:`"
    return None


def _wait(answer: Answer, now: datetime) -> float | None:
    """Read how many seconds a forge asks us to wait, whichever way it says that."""
    asked = retry_after(answer, now.timestamp())
    reset = answer.headers.get("x-ratelimit-reset", "")
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    if asked is None and spent and reset.isascii() and reset.isdigit():
        asked = max(0.0, float(reset[:12]) - now.timestamp())
    return None if asked is None else min(asked, LONGEST_WAIT)
