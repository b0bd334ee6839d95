"""Where values come from: every kind end to end, and nothing in clear when something is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.declaration import Secret, SecretKind
from controller.secrets import age
from controller.secrets.allowed import DEFAULT, Allowed, parse_allow
from controller.secrets.sources import Sources
from controller.secrets.trouble import ReadingError
from tests.secrets.closed import RECIPIENT, key_in, known

SEALED = {name: known(name) for name in ("types.yaml", "types.json", "armored.age")}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(environment={}, home=tmp_path, sealed=SEALED, age_key=key_in(tmp_path))


def secret(kind: SecretKind, source: str, **more: object) -> Secret:
    return replace(Secret(name="it", kind=kind, source=source), **more)  # type: ignore[arg-type]


def test_files_of_the_repository_are_opened_from_its_bytes(sources: Sources) -> None:
    assert sources.value(secret(SecretKind.AGE, "armored.age")) == b"from-age-program"
    assert (
        sources.value(secret(SecretKind.SOPS, "types.yaml", key="db.password")).decode()
        == "hunter2 äöü"
    )


def test_a_file_beside_the_repository_is_never_read_instead(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "else.age").write_bytes(known("armored.age"))
    with pytest.raises(ReadingError, match=r"age else\.age is not in the config repository"):
        sources.value(secret(SecretKind.AGE, "else.age"))


def test_a_file_in_clear_is_not_taken_for_a_closed_one(sources: Sources) -> None:
    clear = replace(sources, sealed={"a.age": b"canary-in-clear\n", "b.yaml": b"x: canary\n"})
    for one in (
        secret(SecretKind.AGE, "a.age"),
        secret(SecretKind.SOPS, "b.yaml", key="x"),
    ):
        with pytest.raises(ReadingError, match=f"{one.source}: it is no file of") as refusal:
            clear.value(one)
        assert "canary" not in str(refusal.value)


def test_a_value_that_is_empty_or_huge_is_refused(sources: Sources) -> None:
    for content in (b"\n", b"x" * (64 << 10) + b"x"):
        sealed = replace(sources, sealed={"a": age.seal(content, [RECIPIENT])})
        with pytest.raises(ReadingError, match="empty or over 64 KiB"):
            sealed.value(secret(SecretKind.AGE, "a"))


def test_without_a_key_nothing_is_opened_and_the_key_is_only_looked_for_then(
    sources: Sources, tmp_path: Path
) -> None:
    lost = replace(sources, age_key=tmp_path / "none", environment={"X": "value"})
    assert lost.value(secret(SecretKind.ENV, "X")) == b"value"
    with pytest.raises(ReadingError, match="no such file"):
        lost.value(secret(SecretKind.AGE, "armored.age"))


def test_a_credential_is_a_file_that_systemd_gave(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "shop-db").write_text("from-systemd\n")
    (tmp_path / "beside").write_text("not for us")
    given = replace(sources, environment={"CREDENTIALS_DIRECTORY": str(tmp_path / "creds")})
    assert given.value(secret(SecretKind.CREDENTIAL, "shop-db")) == b"from-systemd"
    for name in ("../beside", "a/b", "..", ".", ""):
        with pytest.raises(ReadingError, match="without a slash"):
            given.value(secret(SecretKind.CREDENTIAL, name))
    with pytest.raises(ReadingError, match="no such file"):
        given.value(secret(SecretKind.CREDENTIAL, "other"))
    with pytest.raises(ReadingError, match="systemd gave none") as refusal:
        sources.value(secret(SecretKind.CREDENTIAL, "shop-db"))
    assert refusal.value.hint == "add LoadCredential=shop-db:/FILE to the unit"


@pytest.mark.real
def test_a_program_prints_the_value(sources: Sources) -> None:
    assert sources.value(secret(SecretKind.EXEC, "echo x", argv=("echo", "a b"))) == b"a b"


def test_vault_is_only_asked_where_it_is_named(sources: Sources) -> None:
    with pytest.raises(ReadingError, match="VAULT_ADDR is not set"):
        sources.value(secret(SecretKind.KV, "kv/data/shop", key="x"))


@pytest.mark.parametrize(
    ("one", "allowed", "hint"),
    [
        (
            secret(SecretKind.EXEC, "touch", argv=("touch", "it")),
            parse_allow(DEFAULT),
            "ctl serve --allow env,credential,file:/etc/ctl/secrets,exec",
        ),
        (secret(SecretKind.FILE, "/etc/passwd"), parse_allow(DEFAULT), "file"),
        (secret(SecretKind.KV, "kv/data/x", key="x"), parse_allow("env"), "env,vault"),
        (secret(SecretKind.ENV, "X"), Allowed(), "--allow env"),
    ],
)
def test_what_is_not_allowed_is_not_even_tried(
    sources: Sources, one: Secret, allowed: Allowed, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ReadingError, match="not allowed here") as refusal:
        replace(sources, allowed=allowed, environment={"X": "value"}).value(one)
    assert hint in (refusal.value.hint or "")
    assert not (tmp_path / "it").exists()
