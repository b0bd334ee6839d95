"""The config repository by address: what comes into force, who may sign it, and what stays when a remote misbehaves."""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RewoundError, SourceError, VerificationError
from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.tree import Tree
from controller.source import inforce, mirror, remote
from controller.source.access import Credentials
from controller.source.config import ConfigRepo
from controller.source.configuration import Configuration
from controller.source.tracked import TrackedConfig
from controller.source.watch import Limits
from tests.fakes import git_liars
from tests.fakes.git_http import git_http
from tests.fakes.git_liars import COMMIT, lying, telling
from tests.fakes.repositories import Repository, allowed_signers, ssh_key

pytestmark = pytest.mark.real
SIGNERS = "keys/allowed_signers"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "origin")
    made.commit({"ctl.yaml": "", "inventory/servers.yaml": "servers:\n  a: {}\n"}, message="begin")
    return made


def follow(
    tmp_path: Path,
    url: str,
    *,
    signers: Callable[[], bytes] | None = None,
    trust: Callable[[Tree], str | None] = lambda _: None,
) -> TrackedConfig:
    return TrackedConfig(
        url=url, branch="main", folder=tmp_path / "mirrors", signers=signers, trust=trust
    )


@pytest.fixture
def config(tmp_path: Path, origin: Repository) -> TrackedConfig:
    return follow(tmp_path, str(origin.path))


async def step(config: TrackedConfig) -> Sha:
    """Look, and put in force what was found."""
    found = await config.look()
    await config.accept(found.revision.sha)
    return found.revision.sha


def in_force(config: TrackedConfig) -> Sha | None:
    head = config.head()
    return head.sha if head else None


async def test_nothing_is_in_force_before_it_is_accepted(
    origin: Repository, config: TrackedConfig
) -> None:
    assert config.head() is None
    for ask in (config.work_tree, partial(config.tree, origin.head)):
        with pytest.raises(NotFoundError, match="in force yet"):
            ask()
    found = await config.look()
    assert (found.revision.sha, found.news) == (origin.head, True)
    assert config.head() is None
    await config.accept(found.revision.sha)
    assert in_force(config) == origin.head
    assert not (await config.look()).news


async def test_what_is_in_force_stays_until_the_next_is_accepted_and_over_a_restart(
    tmp_path: Path, origin: Repository, config: TrackedConfig
) -> None:
    first = await step(config)
    second = origin.commit({"inventory/servers.yaml": "servers: {}\n"})
    assert (await config.look()).revision.sha == second
    assert in_force(config) == first
    assert config.work_tree().read(["inventory/servers.yaml"])["inventory/servers.yaml"] != b""
    again = follow(tmp_path, str(origin.path))
    assert in_force(again) == first
    assert (await again.look()).news
    await again.accept(second)
    assert in_force(config) == second
    assert config.work_tree().entries == config.tree(second).entries


async def test_only_what_a_look_let_in_comes_into_force(
    origin: Repository, config: TrackedConfig
) -> None:
    await step(config)
    unseen = origin.commit({"a": "1"})
    for sha in (unseen, Sha(COMMIT)):
        with pytest.raises(NotFoundError, match="it was not let in"):
            await config.accept(sha)


async def test_a_work_tree_is_neither_read_nor_touched(
    tmp_path: Path, origin: Repository, config: TrackedConfig
) -> None:
    origin.write({"ctl.yaml": "changed, not committed", "new": "x"})
    before = origin.git("status", "--porcelain"), sorted(origin.path.rglob("*"))
    await step(config)
    assert config.work_tree().read(["ctl.yaml"]) == {"ctl.yaml": b""}
    assert config.dirty() == ()
    assert (origin.git("status", "--porcelain"), sorted(origin.path.rglob("*"))) == before


async def test_words_moments_and_lines_mean_what_is_in_force(
    origin: Repository, config: TrackedConfig
) -> None:
    first = await step(config)
    second = origin.commit({"inventory/servers.yaml": "servers:\n  a: {}\n  b: {}\n"}, author="B")
    await step(config)
    unseen = origin.commit({"inventory/servers.yaml": "servers: {}\n"}, author="C")
    await config.look()
    for word in ("HEAD", "main", second, second[:8]):
        assert config.resolve(word) == second
    assert config.resolve("HEAD~1") == config.resolve("main^") == first
    for word in ("next", "HEAD~9", "--output=x", "", "v1"):
        with pytest.raises(NotFoundError, match="cannot find commit"):
            config.resolve(word)
    assert config.as_of(datetime.fromtimestamp(1_700_000_001, UTC)) == first
    assert config.as_of(datetime.fromtimestamp(1_800_000_000, UTC)) == second
    with pytest.raises(NotFoundError, match="from before"):
        config.as_of(datetime.fromtimestamp(1_600_000_000, UTC))
    line = Place(file="inventory/servers.yaml", line=3, column=1)
    assert config.blame([line], None)[line].author == "B"
    assert config.blame([line], first) == {}
    assert config.last_mentions(["b"], unseen)["b"].author == "C"
    assert config.last_mentions(["b"], second)["b"].author == "B"


async def test_rewritten_history_stays_out_until_a_person_accepts_it(
    origin: Repository, config: TrackedConfig
) -> None:
    origin.commit({"a": "1"})
    before = await step(config)
    origin.rewind("HEAD~1")
    forced = origin.commit({"a": "2"})
    for _ in range(2):
        with pytest.raises(RewoundError) as refusal:
            await config.look()
        assert before in (refusal.value.hint or "")
        with pytest.raises(NotFoundError):
            await config.accept(forced)
    assert in_force(config) == before
    found = await config.look(accept_rewind=True)
    assert (found.revision.sha, found.news) == (forced, True)
    assert in_force(config) == before
    await config.accept(forced)
    assert in_force(config) == forced
    assert not (await config.look()).news


async def test_a_lost_mirror_begins_where_the_state_says_not_as_if_it_were_new(
    tmp_path: Path, origin: Repository
) -> None:
    key = ssh_key(tmp_path, "key")
    first = origin.signed({SIGNERS: allowed_signers(a=key)}, key)
    origin.commit({"evil": "1"})
    config = follow(tmp_path, origin.url, trust=named)
    await config.begin_at(first)
    assert in_force(config) == first
    with pytest.raises(VerificationError):
        await config.look()
    await config.begin_at(Sha(COMMIT))
    assert in_force(config) == first
    elsewhere = follow(tmp_path / "other", origin.url, trust=named)
    with pytest.raises(RewoundError, match="does not hold it"):
        await elsewhere.begin_at(Sha(COMMIT))
    assert elsewhere.head() is None


def named(tree: Tree) -> str | None:
    """As the settings do: whoever holds a file of signers wants signatures."""
    return "keys/other" if "keys/other" in tree.entries else SIGNERS


async def test_the_next_commit_is_judged_by_the_signers_of_the_one_in_force_never_by_its_own(
    tmp_path: Path, origin: Repository
) -> None:
    old, new = ssh_key(tmp_path, "old"), ssh_key(tmp_path, "new")
    config = follow(tmp_path, origin.url, trust=named)
    origin.commit({SIGNERS: allowed_signers(old=old)})
    first = await step(config)
    origin.signed({SIGNERS: allowed_signers(new=new)}, new)
    for _ in range(2):
        with pytest.raises(VerificationError, match="its signer is not among"):
            await config.look()
    assert in_force(config) == first
    origin.rewind(first)
    handed = origin.signed({SIGNERS: allowed_signers(new=new)}, old)
    assert await step(config) == handed
    assert not (await config.look()).news
    origin.signed({"a": "1"}, old)
    with pytest.raises(VerificationError):
        await config.look()
    origin.rewind(handed)
    good = origin.signed({"a": "2"}, new)
    assert await step(config) == good


async def test_a_commit_between_that_nobody_signed_is_found(
    tmp_path: Path, origin: Repository
) -> None:
    key = ssh_key(tmp_path, "key")
    config = follow(tmp_path, origin.url, trust=named)
    origin.signed({SIGNERS: allowed_signers(a=key)}, key)
    first = await step(config)
    origin.commit({"evil": "1"})
    origin.signed({"a": "1"}, key)
    with pytest.raises(VerificationError, match="it is not signed"):
        await config.look()
    assert in_force(config) == first


async def test_signers_that_are_named_and_not_there_let_nothing_in(
    tmp_path: Path, origin: Repository
) -> None:
    config = follow(tmp_path, origin.url, trust=lambda _: "keys/missing")
    first = await step(config)
    origin.commit({"a": "1"})
    with pytest.raises(VerificationError, match=r"has no file keys/missing") as refusal:
        await config.look()
    assert "--config-verify" in (refusal.value.hint or "")
    assert in_force(config) == first


async def test_signers_given_by_hand_count_from_the_first_commit_on_and_before_all_others(
    tmp_path: Path, origin: Repository
) -> None:
    mine, theirs = ssh_key(tmp_path, "mine"), ssh_key(tmp_path, "theirs")
    config = follow(tmp_path, origin.url, signers=lambda: allowed_signers(me=mine), trust=named)
    with pytest.raises(VerificationError, match="it is not signed"):
        await config.look()
    assert config.head() is None
    origin.signed({SIGNERS: allowed_signers(they=theirs)}, mine)
    first = await step(config)
    origin.signed({"a": "1"}, theirs)
    with pytest.raises(VerificationError):
        await config.look()
    assert in_force(config) == first


@pytest.mark.parametrize("content", ["", "ref: refs/ctl/watched\n", "zzz"])
async def test_a_damaged_ref_never_looks_like_a_first_start(
    origin: Repository, config: TrackedConfig, content: str
) -> None:
    await step(config)
    (config.root / inforce.REF).write_text(content)
    with pytest.raises(SourceError, match="it is damaged"):
        config.head()
    with pytest.raises(SourceError, match="it is damaged"):
        await config.look()


async def test_both_config_repositories_keep_one_contract(
    origin: Repository, config: TrackedConfig
) -> None:
    await step(config)
    both: tuple[Configuration, ...] = (config, ConfigRepo(origin.path))
    heads = [one.head() for one in both]
    assert heads[0] == heads[1]
    assert [one.dirty() for one in both] == [(), ()]
    assert [one.in_git for one in both] == [True, True]
    trees = [one.work_tree() for one in both]
    assert trees[0].entries == trees[1].entries
    assert both[0].resolve("HEAD") == both[1].resolve("HEAD")


async def test_credentials_are_read_at_each_look(tmp_path: Path, origin: Repository) -> None:
    held = [Credentials(token=word) for word in ("wrong", "right")]
    with git_http(origin.path.parent, "right") as server:
        config = TrackedConfig(
            url=f"{server.url}/origin/.git",
            branch="main",
            folder=tmp_path / "mirrors",
            credentials=lambda: held.pop(0),
        )
        with pytest.raises(SourceError, match="Authentication failed"):
            await config.look()
        assert await step(config) == origin.head


async def test_a_branch_that_is_gone_leaves_what_is_in_force(
    origin: Repository, config: TrackedConfig
) -> None:
    first = await step(config)
    origin.branch("other")
    origin.git("branch", "-D", "main")
    with pytest.raises(SourceError, match="cannot find branch 'main'"):
        await config.look()
    assert in_force(config) == first


HOSTILE: Mapping[str, tuple[git_liars.Connection, str]] = {
    "stalls": (git_liars.stalling, "no end after"),
    "tells a letter at a time": (git_liars.dripping, "no end after"),
    "stalls in a pack": (telling(COMMIT, git_liars.stalling), "no end after"),
    "tells endless refs": (git_liars.endless_refs, "cannot"),
    "tells too many refs": (git_liars.many_refs, "cannot finish git ls-remote"),
    "sends an endless pack": (
        telling(COMMIT, git_liars.endless_pack),
        "it wrote more than 4 MiB|index-pack",
    ),
    "cuts a pack": (telling(COMMIT, git_liars.cut_pack), "cannot"),
    "sends nothing of what it told": (telling(COMMIT, git_liars.empty_pack), "cannot"),
    "speaks no http": (git_liars.noise, "cannot reach"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_server_costs_bounded_time_and_disk_and_changes_nothing(
    tmp_path: Path, origin: Repository, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(remote, "ASK_SECONDS", 2.0)
    monkeypatch.setattr(mirror, "Limits", partial(Limits, seconds=3.0, disk=4 << 20))
    answer, message = HOSTILE[kind]
    with lying(answer) as url:
        config = follow(tmp_path, url)
        bare = tmp_path / "seed"
        await _seeded(config, origin, bare)
        before = in_force(config)
        started = time.monotonic()
        with pytest.raises(SourceError, match=message):
            await config.look()
        assert time.monotonic() - started < 15
        assert in_force(config) == before
        assert config.work_tree().read(["ctl.yaml"]) == {"ctl.yaml": b""}
        assert _leftovers(tmp_path / "mirrors") == []


async def test_a_look_that_nobody_waits_for_ends_its_git(
    tmp_path: Path, origin: Repository
) -> None:
    arrived = threading.Event()

    def stall(peer: socket.socket, request: str) -> None:
        arrived.set()
        git_liars.stalling(peer, request)

    with lying(stall) as url:
        config = follow(tmp_path, url)
        task = asyncio.create_task(config.look())
        assert await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if not _runs(url):
                break
            await asyncio.sleep(0.05)
        assert not _runs(url)


FOLLOWING = """
import asyncio, sys
from pathlib import Path
from controller.source.tracked import TrackedConfig

async def main():
    config = TrackedConfig(url=sys.argv[1], branch="main", folder=Path(sys.argv[2]))
    print("following", flush=True)
    while True:
        found = await config.look()
        await config.accept(found.revision.sha)

asyncio.run(main())
"""


def _following(origin: Path, folder: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", FOLLOWING, str(origin), str(folder)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT)


@pytest.mark.sweep
async def test_a_controller_that_is_killed_anywhere_goes_on_with_a_commit_it_accepted(
    tmp_path: Path, origin: Repository, config: TrackedConfig
) -> None:
    accepted = [await step(config)]
    for number in range(6):
        with _following(origin.path, tmp_path / "mirrors") as following:
            assert following.stdout is not None
            await asyncio.to_thread(following.stdout.readline)
            accepted.append(origin.commit({"a": str(number)}))
            await asyncio.sleep(0.02 * number)
            following.kill()
        again = follow(tmp_path, str(origin.path))
        assert in_force(again) in accepted[-2:]
        assert again.work_tree().read(["ctl.yaml"]) == {"ctl.yaml": b""}
        assert await step(again) == accepted[-1]
        assert _leftovers(tmp_path / "mirrors") == []


async def _seeded(config: TrackedConfig, origin: Repository, folder: Path) -> None:
    """Put the first commit in force as if the address had once been honest."""
    honest = TrackedConfig(url=str(origin.path), branch="main", folder=folder)
    await step(honest)
    await asyncio.to_thread(shutil.copytree, honest.root, config.root)


def _leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(("incoming-", "tmp_"))]


def _runs(word: str) -> bool:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False
