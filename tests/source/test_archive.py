"""The tar of a commit: what is in it, what is refused, and that nothing in the repo can change how it is made."""

import asyncio
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from controller.errors import NotFoundError, SourceError
from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.source import archive
from controller.source.access import Credentials
from controller.source.mirrors import Mirrors
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real


class Origin:
    """A repository, its mirrors, and the tar of its head."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "origin")
        self.mirrors = Mirrors(folder / "mirrors")
        self.repo = Repo(name="shop", url=self.repository.url, kind=RefKind.BRANCH, ref="main")

    async def look(self) -> Sha:
        seen = await self.mirrors.look(self.repo, Credentials(), accepted=None, signers=None)
        return seen.revision.sha

    async def tar(self) -> bytes:
        return await self.mirrors.archive(self.repo, await self.look())

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link into the next commit."""
        place = self.repository.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


def contents(data: bytes) -> dict[str, tuple[int, bytes | str]]:
    """Mode and content, or target, by path."""
    found: dict[str, tuple[int, bytes | str]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            found[member.name] = (member.mode, file.read() if file else member.linkname)
    return found


async def test_it_holds_every_file_with_its_executable_bit_and_the_commit(origin: Origin) -> None:
    origin.repository.write({"app/run.sh": "echo 1\n", "README": b"\xff\x00 bytes"})
    (origin.repository.path / "app/run.sh").chmod(0o755)
    sha = origin.repository.commit()
    assert contents(await origin.tar()) == {
        "REVISION": (0o644, f"{sha}\n".encode()),
        "README": (0o644, b"\xff\x00 bytes"),
        "app/run.sh": (0o755, b"echo 1\n"),
    }


async def test_attributes_of_the_repo_do_nothing(origin: Origin) -> None:
    files = {
        ".gitattributes": "secret export-ignore\nversion export-subst\n* text eol=crlf\n",
        "secret": "kept\n",
        "version": "$Format:%H$\n",
    }
    origin.repository.commit(files)
    found = contents(await origin.tar())
    assert found["secret"][1] == b"kept\n"
    assert found["version"][1] == b"$Format:%H$\n"


async def test_equal_commits_give_equal_bytes(origin: Origin) -> None:
    origin.repository.commit({"a": "1", "b/c": "2"})
    first = await origin.tar()
    again = await Mirrors(origin.repository.path.parent / "mirrors").archive(
        origin.repo, origin.repository.head
    )
    assert first == again
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in tar} == {
            (0, 0, "", "", 1_700_000_001)
        }


async def test_names_of_any_length_arrive(origin: Origin) -> None:
    long = "/".join(["folder-with-a-long-name"] * 12) + "/" + "n" * 200 + "-é"
    origin.repository.commit({long: "deep"})
    assert contents(await origin.tar())[long] == (0o644, b"deep")


@pytest.mark.parametrize(
    ("path", "target"),
    [("current", "app"), ("a/b/up", "../../app/run"), ("gone", "nowhere/yet"), ("self", ".")],
)
async def test_links_that_stay_in_the_tree_are_delivered(
    origin: Origin, path: str, target: str
) -> None:
    origin.link(path, target)
    origin.repository.commit({"app/run": "1"})
    assert contents(await origin.tar())[path] == (0o777, target)


@pytest.mark.parametrize(
    "links",
    [
        {"x": "/etc/passwd"},
        {"x": ".."},
        {"a/b": "../../etc"},
        {"x": "app/../.."},
        {"d/l": "..", "x": "d/l/../y"},  # in the text it stays, on a disk it does not
        {"x": "y", "y": "x"},
        {"x": "a\x1bb"},
    ],
)
async def test_links_that_leave_the_tree_are_refused_by_name(
    origin: Origin, links: dict[str, str]
) -> None:
    for path, target in links.items():
        origin.link(path, target)
    origin.repository.commit({"app/run": "1"})
    with pytest.raises(SourceError, match=r"cannot deliver .+: it is a link"):
        await origin.tar()


async def test_odd_names_and_submodules_are_refused_with_the_path_escaped(origin: Origin) -> None:
    origin.repository.commit({"a\x1b[31m": "red"})
    with pytest.raises(SourceError, match=r"cannot deliver a\\x1b\[31m: its name holds control"):
        await origin.tar()
    origin.repository.git("rm", "-q", "-f", "a\x1b[31m")
    sha = origin.repository.commit({"README": "1"})
    origin.repository.git("update-index", "--add", "--cacheinfo", f"160000,{sha},vendor/lib")
    origin.repository.git("commit", "-q", "-m", "module")
    with pytest.raises(SourceError, match="cannot deliver vendor/lib: a submodule"):
        await origin.tar()


async def test_a_revision_file_of_the_repo_gives_way_and_a_folder_of_that_name_is_refused(
    origin: Origin,
) -> None:
    sha = origin.repository.commit({"REVISION": "mine"})
    assert contents(await origin.tar())["REVISION"][1] == f"{sha}\n".encode()
    origin.repository.git("rm", "-q", "REVISION")
    origin.repository.commit({"REVISION/x": "1"})
    with pytest.raises(SourceError, match="cannot deliver REVISION/x: it lies below a file"):
        await origin.tar()


async def test_what_is_too_large_is_refused(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1 << 20)
    origin.repository.commit({"big": b"x" * (1 << 20)})
    with pytest.raises(SourceError, match="cannot deliver a tree of 2 MiB: the bound is 1 MiB"):
        await origin.tar()


async def test_many_files_are_read_in_batches(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BATCH", 10)
    files: dict[str, str | bytes] = {f"f{n}": "content" * n for n in range(7)}
    origin.repository.commit(files)
    found = contents(await origin.tar())
    assert {name: found[name][1] for name in files} == {
        name: str(text).encode() for name, text in files.items()
    }


async def test_an_unknown_commit_is_said_to_be_unknown(origin: Origin) -> None:
    origin.repository.commit({"a": "1"})
    await origin.look()
    with pytest.raises(NotFoundError):
        await origin.mirrors.archive(origin.repo, Sha("0" * 40))


async def test_the_last_few_are_made_once(tmp_path: Path) -> None:
    made: list[Sha] = []
    kept = archive.Archives()

    async def ask(name: str) -> bytes:
        async def make() -> bytes:
            await asyncio.sleep(0)
            made.append(Sha(name))
            return name.encode()

        return await kept.get(tmp_path, Sha(name), make)

    assert await asyncio.gather(*(ask("a") for _ in range(5))) == [b"a"] * 5
    assert made == ["a"]
    for name in "bcdea":
        await ask(name)
    assert made == ["a", "b", "c", "d", "e", "a"]


PART = st.sampled_from(["a", "b", "..", ".", "c"])
LINKS = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map("/".join),
    st.lists(PART, min_size=1, max_size=4).map("/".join),
    max_size=4,
)


@given(links=LINKS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_what_is_let_through_never_leads_out_on_a_real_disk(
    links: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    links = {p: t for p, t in links.items() if p.split("/")[0] == p or p.split("/")[0] not in links}
    root = tmp_path_factory.mktemp("tree").resolve()
    for path, target in links.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    for path in links:
        try:
            archive._must_stay(path, links)
        except SourceError:
            continue
        assert (os.path.realpath(root / path) + "/").startswith(f"{root}/")
