"""What of a controller ends, and when: nothing that is somebody else's loss, and nothing that cannot be read stops the rest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.model.declaration import Declaration, Repo, Secret, SecretKind
from controller.pki import founding, issuing, revoking
from controller.pki.issuing import Renewal, Wish
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.reconcile.endings import certificate_endings, secret_endings

NOW = datetime(2026, 12, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def authority(folder: Path) -> Path:
    founding.found(folder, organisation="example", now=NOW, by="test")
    for name, days in (("web-1", 40), ("web-2", 40), ("web-3", 40)):
        issuing.issue(folder, Wish(name=name, role=Role.AGENT, days=days), now=NOW, by="test")
    return folder


def names(folder: Path, now: datetime) -> set[str]:
    return {one.subject.removeprefix("certificate/") for one in certificate_endings(folder, now)}


def test_an_authority_tells_of_itself_and_of_the_newest_certificate_of_each_name(
    tmp_path: Path,
) -> None:
    folder = authority(tmp_path / "pki")
    issuing.renew(folder, "web-2", Renewal(days=90), now=NOW + 10 * DAY, by="test")
    revoking.revoke(folder, "web-3", reason=Reason.SUPERSEDED, now=NOW + 10 * DAY, by="test")
    found = {one.subject: one for one in certificate_endings(folder, NOW + 11 * DAY)}
    assert set(found) == {
        "certificate/the-authority",
        "certificate/web-1",
        "certificate/web-2",
    }
    assert (found["certificate/web-2"].ends - NOW).days == 100
    assert found["certificate/web-1"].lines == ("ctl pki renew web-1",)


def test_what_ended_long_ago_is_nobodys_loss(tmp_path: Path) -> None:
    folder = authority(tmp_path / "pki")
    assert "web-1" in names(folder, NOW + 60 * DAY)
    assert names(folder, NOW + 80 * DAY) == {"the-authority"}


def test_a_folder_without_an_authority_tells_by_its_files(tmp_path: Path) -> None:
    folder = authority(tmp_path / "pki")
    own = tmp_path / "own"
    own.mkdir()
    for name in ("web-1.crt", "ca.crt"):
        (own / name).write_bytes((folder / name).read_bytes())
    (own / "nonsense.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    assert names(own, NOW) == {"web-1", "ca"}


def test_where_there_is_nothing_nothing_ends(tmp_path: Path) -> None:
    assert names(tmp_path / "none", NOW) == set()


def test_a_folder_that_cannot_be_trusted_stops_no_warning(tmp_path: Path) -> None:
    folder = authority(tmp_path / "pki")
    folder.chmod(0o777)
    assert "web-1" in names(folder, NOW)


def test_a_secret_names_who_will_miss_it() -> None:
    declared = Declaration(
        secrets={
            "token": Secret(name="token", kind=SecretKind.ENV, source="T", expires="2026-12-20"),
            "later": Secret(name="later", kind=SecretKind.ENV, source="L", expires="2027-12-20"),
            "never": Secret(name="never", kind=SecretKind.ENV, source="N"),
        },
        repos={"shop": Repo(name="shop", url="u", ssh_key="token")},
    )
    (only,) = secret_endings(declared, NOW)
    assert (only.subject, only.lines) == ("secret/token", ("used by repo shop",))
    assert only.ends == datetime(2026, 12, 20, tzinfo=UTC)
