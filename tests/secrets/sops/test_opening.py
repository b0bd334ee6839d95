"""Opening SOPS files: what the real program closed is read, and nothing that was touched since."""

import base64
import re
import secrets
from collections.abc import Callable

import pytest

from controller.secrets import age
from controller.secrets.sops.opening import find, open_file, pick
from controller.secrets.sops.values import Document, text
from controller.secrets.trouble import ReadingError
from tests.secrets.closed import KEYS, known

LEAF = re.compile(r"ENC\[AES256_GCM,data:[^\]]*type:str\]")


def value(name: str, key: str) -> str:
    return pick(open_file(name, known(name), KEYS), key).decode()


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("types.yaml", "db.password", "hunter2 äöü"),
        ("types.yaml", "db.port", "5432"),
        ("types.yaml", "db.ratio", "1.5"),
        ("types.yaml", "db.one", "1"),
        ("types.yaml", "db.big", "1" + "0" * 30),
        ("types.yaml", "db.on", "true"),
        ("types.yaml", "db.off", "false"),
        ("types.yaml", "db.multi", "line 1\nline 2\n"),
        ("types.yaml", "db.list.0", "a"),
        ("types.yaml", "db.list.2.x", "y"),
        ("types.yaml", "db.dotted.key", "v"),
        ("types.yaml", "db.day", "2001-12-14T00:00:00Z"),
        ("types.json", "a", "1"),
        ("types.json", "b", "1.5"),
        ("types.json", "c", "true"),
        ("types.json", "f.2.g", "h"),
        ("types.json", "t", "ü/<>&"),
        ("regex.yaml", "data.password", "from-kubernetes"),
        ("regex.yaml", "data.tls.crt", "pem"),
        ("suffix.yaml", "shop.token_secret", "by-suffix"),
        ("suffix.yaml", "all_secret.1.y", "z"),
        ("binary.json", "data", "whole file\nas it is\n"),
    ],
)
def test_every_value_that_sops_has_encrypted_is_read(name: str, key: str, expected: str) -> None:
    assert value(name, key) == expected


@pytest.mark.parametrize(
    ("name", "key", "reason"),
    [
        ("types.yaml", "clear_unencrypted.a", "lies in it in clear"),
        ("types.yaml", "clear_unencrypted.n", "lies in it in clear"),
        ("types.yaml", "db.list.2.z_unencrypted", "lies in it in clear"),
        ("types.json", "n_unencrypted", "lies in it in clear"),
        ("regex.yaml", "metadata.name", "lies in it in clear"),
        ("suffix.yaml", "shop.name", "lies in it in clear"),
        ("types.yaml", "db.none", "is nothing"),
        ("types.yaml", "db.empty", "is empty"),
        ("types.yaml", "db", "is several values"),
        ("types.yaml", "db.list", "is several values"),
        ("types.yaml", "db.pass", "is not in it"),
        ("types.yaml", "db.list.3", "is not in it"),
        ("types.yaml", "db.list.-1", "is not in it"),
        ("types.yaml", "sops.mac", "is not in it"),
        ("types.yaml", "db.password.x", "is not in it"),
    ],
)
def test_a_value_that_is_no_encrypted_one_is_never_given(name: str, key: str, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        value(name, key)


def test_a_name_with_dots_that_could_mean_two_things_is_refused() -> None:
    document: Document = {"a": {"b": text("1")}, "a.b": text("2"), "c.d": {"e": text("3")}}
    with pytest.raises(ReadingError, match="several values"):
        find(document, "a.b")
    assert find(document, "c.d.e") == ("c.d", "e")


def swap_leaves(data: str) -> str:
    first, second = LEAF.findall(data)[:2]
    return data.replace(first, "\0").replace(second, first).replace("\0", second)


def break_mac(data: str) -> str:
    mac = re.search(r"mac: (ENC\[.*\])", data)
    assert mac is not None
    return data.replace(mac.group(1), LEAF.findall(data)[0])


HOSTILE: list[tuple[Callable[[str], str], str]] = [
    (break_mac, "its MAC was changed or moved"),
    (swap_leaves, "was changed or moved"),
    (lambda data: data.replace("    port:", "    porto:"), "db.porto was changed or moved"),
    (lambda data: re.sub(r"    port: .*\n", "", data), "MAC is wrong"),
    (lambda data: re.sub(r"    port: .*\n", "    port: 1\n", data), "db.port is not encrypted"),
    (lambda data: re.sub(r"    password: .*\n", "    password: mine\n", data), "is not encrypted"),
    (lambda data: data.replace("    a: text\n", "    a: other\n"), "MAC is wrong"),
    (lambda data: data.replace("    a: text\n", "    a: text\n    z: more\n"), "MAC is wrong"),
    (lambda data: data.replace("sops:\n", "zz_unencrypted: x\nsops:\n"), "MAC is wrong"),
    (lambda data: data.replace("sops:\n", "zz: x\nsops:\n"), "zz is not encrypted"),
    (lambda data: data.replace('lastmodified: "2', 'lastmodified: "1'), "MAC was changed"),
    (lambda data: re.sub(r"    mac: .*\n", "", data), "has no mac"),
    (lambda data: re.sub(r"    mac: .*\n", '    mac: ""\n', data), "has no mac"),
    (lambda data: re.sub(r"    mac: .*\n", "    mac: hello\n", data), "its MAC is not encrypted"),
    (lambda data: re.sub(r"    lastmodified: .*\n", "", data), "has no lastmodified"),
    (lambda data: data.replace("    version:", "    mac_only_encrypted: true\n    version:"), "MAC is wrong"),
    (lambda data: re.sub(r"    unencrypted_suffix.*", "    unencrypted_suffix: d", data), "MAC is wrong"),
    (lambda data: data.replace("    age:", "    key_groups: [x]\n    age:"), "several shares"),
    (lambda data: data.replace("    age:", "    pgp:"), "closed for 0 age recipients"),
    (lambda data: data.replace("type:str", "type:comment", 1), "has the type 'comment'"),
    (lambda data: data.replace("sops:\n", "other:\n"), "no file of SOPS"),
    (lambda data: data.replace("db:\n", "db: &a\n"), "alias or a tag"),
    (lambda data: data.replace("    port:", "    password:"), "is there twice"),
    (lambda data: data + "---\na: b\n", "several documents"),
    (lambda _: "", "is empty"),
    (lambda _: "a: [", "no YAML"),
    (lambda _: "[" * 100_000, "over 32 levels"),
    (lambda _: "a: !!python/object/apply:os.system [id]\nsops: {}\n", "alias or a tag"),
    (lambda _: "x: y\n" + "#" * (1 << 20), "over 1024 KiB"),
    (lambda _: "- a\n", "no mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), HOSTILE)
def test_whoever_changes_a_file_without_its_key_is_found_out(
    change: Callable[[str], str], reason: str
) -> None:
    before = known("types.yaml").decode()
    after = change(before)
    assert after != before
    with pytest.raises(ReadingError, match=reason) as refusal:
        open_file("it.yaml", after.encode(), KEYS)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: re.sub(r"    unencrypted_suffix.*", "    unencrypted_regex: .*", data),
        lambda data: data.replace("type:int", "type:str", 1),
    ],
)
def test_what_the_format_leaves_open_changes_no_value(change: Callable[[str], str]) -> None:
    before = known("types.yaml").decode()
    after = change(before)
    assert after != before
    for key in ("db.password", "db.port", "db.list.0"):
        assert pick(open_file("it.yaml", after.encode(), KEYS), key).decode() == value(
            "types.yaml", key
        )


def test_a_clear_value_slipped_into_a_file_that_guards_only_encrypted_ones_is_not_given() -> None:
    data = known("regex.yaml").replace(b"data:\n", b"data:\n    slipped: mine\n")
    opened = open_file("it.yaml", data, KEYS)
    with pytest.raises(ReadingError, match="lies in it in clear"):
        pick(opened, "data.slipped")


def test_a_file_for_another_key_is_refused_naming_both() -> None:
    other = age.new_key()
    with pytest.raises(ReadingError) as refusal:
        open_file("types.yaml", known("types.yaml"), [other])
    assert other.recipient in refusal.value.reason
    assert KEYS[0].recipient in refusal.value.reason
    assert str(other.identity) not in str(refusal.value)


def test_a_data_key_of_another_length_is_none() -> None:
    short = age.seal(secrets.token_bytes(16), [KEYS[0].recipient]).decode()
    data = known("types.json").decode()
    sealed = re.search(r'"enc": "[^"]*"', data)
    assert sealed is not None
    changed = data.replace(sealed.group(), '"enc": "{}"'.format(short.replace("\n", "\\n")))
    with pytest.raises(ReadingError, match="data key has 16 bytes"):
        open_file("types.json", changed.encode(), KEYS)


def test_every_flipped_byte_of_a_leaf_is_found_out() -> None:
    data = known("types.json").decode()
    leaf = re.search(r'"data|"a": "ENC\[AES256_GCM,data:([^,]*),iv:([^,]*),tag:([^,]*)', data)
    assert leaf is not None
    for part in leaf.groups():
        raw = bytearray(base64.b64decode(part))
        raw[0] ^= 1
        changed = data.replace(part, base64.b64encode(raw).decode())
        with pytest.raises(ReadingError, match="was changed or moved"):
            open_file("types.json", changed.encode(), KEYS)
