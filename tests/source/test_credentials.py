"""What the flags of a serving controller name: read as it is now, and never shown."""

from pathlib import Path

import pytest

from controller.errors import SourceError
from controller.source.credentials import LARGEST, read_credentials, read_given


def test_files_are_read_anew_each_time(tmp_path: Path) -> None:
    token, hosts = tmp_path / "token", tmp_path / "hosts"
    hosts.write_bytes(b"git.example.com ssh-ed25519 AAAA\n")
    for value in ("canary-1", "canary-2"):
        token.write_text(f"{value}\n")
        found = read_credentials(token=token, known_hosts=hosts)
        assert found.token == f"{value}\n"
        assert found.known_hosts == hosts.read_bytes()
        assert "canary" not in repr(found)
    key = tmp_path / "key"
    key.write_bytes(b"a key")
    assert read_credentials(key=key).ssh_key == b"a key"
    assert read_credentials().token is None


@pytest.mark.parametrize("content", [b"", b" \n", b"x" * (LARGEST + 1)])
def test_what_cannot_be_meant_is_refused_by_name_and_not_shown(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="token") as refusal:
        read_given(path)
    assert "xx" not in str(refusal.value)


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(SourceError, match="cannot read"):
            read_given(path)
