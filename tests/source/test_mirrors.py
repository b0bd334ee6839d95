"""Looking at a remote: what is found, what is refused, and how little an idle look does."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RewoundError, SourceError, VerificationError
from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.source import git, mirror
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from controller.source.visit import Look
from tests.fakes.repositories import Repository, allowed_signers, ssh_key

pytestmark = pytest.mark.real
NOBODY = Credentials()


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "origin")
    repository.commit({"app/run.sh": "echo 1\n", "README": "shop\n"}, message="begin\n\nwith this")
    return repository


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


def repo_of(origin: Repository, kind: RefKind = RefKind.BRANCH, ref: str = "main") -> Repo:
    return Repo(name="shop", url=origin.url, kind=kind, ref=ref)


async def look(
    mirrors: Mirrors, repo: Repo, accepted: Sha | None = None, signers: bytes | None = None
) -> Look:
    return await mirrors.look(repo, NOBODY, accepted=accepted, signers=signers)


def packs(tmp_path: Path) -> Sequence[Path]:
    return sorted((tmp_path / "mirrors").rglob("*.pack"))


async def test_a_first_look_fetches_and_tells_the_commit(
    origin: Repository, mirrors: Mirrors
) -> None:
    origin.git("branch", "next")
    seen = await look(mirrors, repo_of(origin))
    assert seen.fetched
    assert seen.revision.sha == origin.head
    assert seen.revision.subject == "begin"
    assert seen.revision.message == "begin\n\nwith this"
    assert seen.revision.author == "Author"
    assert seen.revision.committed_at.timestamp() == 1_700_000_001
    assert seen.branches == {"main": origin.head, "next": origin.head}


async def test_an_idle_look_fetches_nothing(origin: Repository, mirrors: Mirrors) -> None:
    first = await look(mirrors, repo_of(origin))
    second = await look(mirrors, repo_of(origin), accepted=first.revision.sha)
    assert not second.fetched
    assert second.revision == first.revision


async def test_an_idle_look_is_one_question_to_the_remote(
    origin: Repository, mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_key(tmp_path, "key")
    signers = allowed_signers(release=key)
    sha = origin.signed({"a": "1"}, key)
    await look(mirrors, repo_of(origin), signers=signers)
    first = await look(mirrors, repo_of(origin), accepted=sha, signers=signers)
    commands: list[str] = []
    start = git._start

    def counted(command: Sequence[str], *rest: object) -> object:
        commands.append(" ".join(command))
        return start(command, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(git, "_start", counted)
    assert (await look(mirrors, repo_of(origin), accepted=sha, signers=signers)) == first
    assert len(commands) == 1
    assert " ls-remote " in commands[0]
    commands.clear()
    stranger = allowed_signers(other=ssh_key(tmp_path, "other"))
    with pytest.raises(VerificationError):
        await look(mirrors, repo_of(origin), accepted=sha, signers=stranger)
    assert len(commands) > 1


async def test_a_damaged_memory_of_a_look_is_no_memory(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    seen = await look(mirrors, repo_of(origin))
    (memory,) = (tmp_path / "mirrors").rglob("ctl-looked")
    memory.write_bytes(memory.read_bytes()[:-20])
    assert (await look(mirrors, repo_of(origin))).revision == seen.revision


async def test_repos_on_this_machine_are_refused_where_they_are_not_allowed(
    origin: Repository, tmp_path: Path
) -> None:
    mirrors = Mirrors(tmp_path / "mirrors", files=False)
    with pytest.raises(SourceError, match="is a path of this machine"):
        await look(mirrors, repo_of(origin))
    assert not (tmp_path / "mirrors").exists()


async def test_a_new_commit_is_fetched_and_only_what_is_new(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    first = (await look(mirrors, repo_of(origin))).revision.sha
    new = origin.commit({"app/run.sh": "echo 2\n"})
    seen = await look(mirrors, repo_of(origin), accepted=first)
    assert seen.fetched
    assert seen.revision.sha == new
    assert len(packs(tmp_path)) == 2
    objects = origin.git("verify-pack", "-v", str(packs(tmp_path)[0].with_suffix(".idx")))
    others = origin.git("verify-pack", "-v", str(packs(tmp_path)[1].with_suffix(".idx")))
    assert (first in objects) != (first in others)
    assert not list((tmp_path / "mirrors").rglob("incoming-*"))


async def test_rewritten_history_is_refused_again_and_again_until_it_is_accepted(
    origin: Repository, mirrors: Mirrors
) -> None:
    repo = repo_of(origin)
    origin.commit({"a": "1"})
    accepted = (await look(mirrors, repo)).revision.sha
    origin.rewind("HEAD~1")
    forced = origin.commit({"a": "2"})
    for _ in range(2):
        with pytest.raises(RewoundError) as refusal:
            await look(mirrors, repo, accepted=accepted)
        assert accepted in refusal.value.message
        assert forced in refusal.value.message
        assert refusal.value.hint == "ctl check repo shop --accept-rewind --reason TEXT"
        with pytest.raises(NotFoundError):
            await mirrors.revision(repo, forced)
    assert (await look(mirrors, repo, accepted=None)).revision.sha == forced


async def test_a_rewind_to_an_older_commit_that_is_already_here_is_refused(
    origin: Repository, mirrors: Mirrors
) -> None:
    origin.commit({"a": "1"})
    accepted = (await look(mirrors, repo_of(origin))).revision.sha
    origin.rewind("HEAD~1")
    with pytest.raises(RewoundError):
        await look(mirrors, repo_of(origin), accepted=accepted)


async def test_a_branch_that_is_gone_is_an_error_that_names_the_others(
    origin: Repository, mirrors: Mirrors
) -> None:
    with pytest.raises(SourceError, match="cannot find branch 'trunk'") as gone:
        await look(mirrors, repo_of(origin, ref="trunk"))
    assert gone.value.hint == "its branches are: main"


async def test_the_newest_tag_by_version_is_watched(origin: Repository, mirrors: Mirrors) -> None:
    for name in ("v1.9", "v1.10", "v2.0-rc1"):
        origin.commit({"version": name})
        origin.tag(name, annotated=name == "v1.10")
    wanted = origin.git("rev-parse", "v1.10^{commit}")
    seen = await look(mirrors, repo_of(origin, RefKind.TAG, "v1*"))
    assert (seen.revision.sha, seen.revision.branch) == (wanted, "v1.10")
    origin.commit({"version": "2"})
    origin.tag("v2.0")
    seen = await look(mirrors, repo_of(origin, RefKind.TAG, "v*"), accepted=Sha(wanted))
    assert seen.revision.branch == "v2.0"


async def test_a_named_commit_may_lie_anywhere(origin: Repository, mirrors: Mirrors) -> None:
    old = origin.head
    newer = origin.commit({"a": "1"})
    seen = await look(mirrors, repo_of(origin, RefKind.REF, old), accepted=newer)
    assert seen.revision.sha == old
    with pytest.raises(SourceError, match="not a whole commit id"):
        await look(mirrors, repo_of(origin, RefKind.REF, old[:10]))
    with pytest.raises(SourceError, match="cannot"):
        await look(mirrors, repo_of(origin, RefKind.REF, "1" * 40))


async def test_every_commit_since_the_accepted_one_must_be_signed(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    key, stranger = ssh_key(tmp_path, "key"), ssh_key(tmp_path, "stranger")
    signers = allowed_signers(release=key)
    first = origin.signed({"a": "1"}, key)
    seen = await look(mirrors, repo_of(origin), signers=signers)
    assert seen.revision.signer == "release@example.com"
    middle = origin.commit({"a": "2"})
    origin.signed({"a": "3"}, key)
    for _ in range(2):
        with pytest.raises(VerificationError, match=f"{middle}: it is not signed"):
            await look(mirrors, repo_of(origin), accepted=first, signers=signers)
    origin.rewind(first)
    foreign = origin.signed({"a": "4"}, stranger)
    with pytest.raises(VerificationError, match=f"{foreign}: its signer is not among"):
        await look(mirrors, repo_of(origin), accepted=first, signers=signers)
    origin.rewind(first)
    good = origin.signed({"a": "5"}, key)
    seen = await look(mirrors, repo_of(origin), accepted=first, signers=signers)
    assert (seen.revision.sha, seen.revision.signer) == (good, "release@example.com")
    with pytest.raises(VerificationError):
        await look(mirrors, repo_of(origin), accepted=good, signers=allowed_signers(other=stranger))


async def test_a_tampered_commit_is_refused(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path, "key")
    origin.signed({"a": "1"}, key)
    raw = origin.git("cat-file", "commit", "HEAD").encode() + b"\nand more\n"
    forged = origin.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=raw)
    origin.git("update-ref", "refs/heads/main", forged)
    with pytest.raises(VerificationError, match="does not fit its content"):
        await look(mirrors, repo_of(origin), signers=allowed_signers(release=key))


async def test_a_path_filter_sees_only_what_it_picks(origin: Repository, mirrors: Mirrors) -> None:
    repo = repo_of(origin)
    first = (await look(mirrors, repo)).revision.sha
    before = await mirrors.watched(repo, first, ["app/**"])
    assert before is not None
    assert [(entry.path, entry.mode) for entry in before] == [("app/run.sh", 0o100644)]
    second = origin.commit({"README": "other\n"})
    await look(mirrors, repo, accepted=first)
    assert await mirrors.watched(repo, second, ["app/**"]) == before
    assert await mirrors.watched(repo, second, ["*.sh"]) == ()
    assert await mirrors.watched(repo, second, ["**/*.sh"]) == before
    assert await mirrors.watched(repo, second, []) is None


async def test_the_files_of_a_commit_are_read_by_id(origin: Repository, mirrors: Mirrors) -> None:
    repo = repo_of(origin)
    sha = (await look(mirrors, repo)).revision.sha
    tree = await mirrors.tree(repo, sha)
    assert list(tree.entries) == ["README", "app/run.sh"]
    assert tree.read(["app/run.sh", "README"]) == {"app/run.sh": b"echo 1\n", "README": b"shop\n"}
    with pytest.raises(NotFoundError):
        tree.read(["missing"])


async def test_status_tells_errors_as_data_and_clean_empties_the_cache(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    repo = repo_of(origin)
    good = await mirrors.status(repo, NOBODY, accepted=None, signers=None)
    assert good.look is not None
    bad = await mirrors.status(repo, NOBODY, accepted=Sha("1" * 40), signers=None)
    assert bad.error is not None
    assert bad.error.reference == "history-rewound"
    await mirrors.clean(repo)
    assert not list((tmp_path / "mirrors").glob("*.git"))


async def test_what_was_never_looked_at_is_not_found(origin: Repository, mirrors: Mirrors) -> None:
    with pytest.raises(NotFoundError, match="cannot find a mirror of repo shop"):
        await mirrors.tree(repo_of(origin), origin.head)


async def test_many_looks_at_once_take_turns(origin: Repository, mirrors: Mirrors) -> None:
    seen = await asyncio.gather(*(look(mirrors, repo_of(origin)) for _ in range(4)))
    assert {one.revision.sha for one in seen} == {origin.head}
    assert [one.fetched for one in seen].count(True) == 1


async def test_what_a_killed_process_left_is_cleared_away(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    await look(mirrors, repo_of(origin))
    (path,) = (tmp_path / "mirrors").glob("*.git")
    (path / "incoming-dead" / "objects").mkdir(parents=True)
    await look(mirrors, repo_of(origin))
    assert not list(path.glob("incoming-*"))


async def test_many_small_fetches_do_not_pile_up(
    origin: Repository, mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MOST_PACKS", 3)
    accepted: Sha | None = None
    for number in range(6):
        wanted = origin.commit({"a": str(number)})
        accepted = (await look(mirrors, repo_of(origin), accepted)).revision.sha
        assert accepted == wanted
    assert len(packs(tmp_path)) <= 3
    assert accepted is not None
    tree = await mirrors.tree(repo_of(origin), accepted)
    assert tree.read(["a"]) == {"a": b"5"}


async def test_another_address_has_another_mirror(
    origin: Repository, mirrors: Mirrors, tmp_path: Path
) -> None:
    await look(mirrors, repo_of(origin))
    moved = Repository(tmp_path / "moved")
    moved.commit({"b": "1"})
    seen = await look(mirrors, repo_of(moved))
    assert seen.revision.sha == moved.head
    assert len(list((tmp_path / "mirrors").glob("shop-*.git"))) == 2


async def test_a_mirror_is_private(origin: Repository, mirrors: Mirrors, tmp_path: Path) -> None:
    await look(mirrors, repo_of(origin))
    for folder in (tmp_path / "mirrors", *(tmp_path / "mirrors").glob("*.git")):
        assert folder.stat().st_mode & 0o077 == 0
