"""Webhooks: what is taken, what is refused, and how little a forger learns or costs."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies as st

from controller.source.webhook import LARGEST, HookRefusedError, Kind, recognize
from controller.source.webhooks import headers as bounds
from controller.source.webhooks.headers import collect
from controller.source.webhooks.signing import MOST_SIGNATURES, TOLERANCE, verify

CASES = Path(os.environ.get("CTL_TEST_CASES", "../shared/cases")) / "webhooks"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"a secret of some length"
SHA = "823b2230a56056231c9425d63758fa87078a66b4"
JSON = ("Content-Type", "application/json")
PUSH = json.dumps({"ref": "refs/heads/main", "after": SHA, "commits": [{"id": SHA}]}).encode()


def pairs(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def github(body: bytes, **more: str) -> list[tuple[bytes, bytes]]:
    sent = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signed(body)}"}
    return pairs({**sent, **{name.replace("_", "-"): value for name, value in more.items()}})


def standard(body: bytes, *, at: datetime, key: bytes, name: str = "msg_1") -> str:
    text = f"{name}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def known_answers() -> list[dict[str, object]]:
    file = CASES / "known-answers.json"
    if not file.exists():
        return []
    found: list[dict[str, object]] = json.loads(file.read_bytes())["cases"]
    return found


@pytest.mark.skipif(not known_answers(), reason=f"there are no known answers in {CASES}")
@pytest.mark.parametrize("case", known_answers(), ids=lambda case: str(case["id"]))
def test_deliveries_of_real_forges_have_their_known_answers(case: dict[str, object]) -> None:
    body = (CASES / str(case["body"])).read_bytes()
    told = case["headers"]
    assert isinstance(told, dict)
    stamp = told.get("webhook-timestamp")
    now = datetime.fromtimestamp(int(stamp), UTC) if stamp else NOW
    secret = str(case["secret"]).encode()
    if not case["accept"]:
        with pytest.raises(HookRefusedError) as refusal:
            recognize(pairs(told), body, secret, now=now)
        assert not refusal.value.proven
        return
    kind = verify(collect(pairs(told)), body, secret, now=now)
    assert kind is (Kind.STANDARD if stamp else Kind(str(case["provider"])))
    for wrong in (body + b" ", body[:-1]):
        if "X-Gitlab-Token" not in told:
            with pytest.raises(HookRefusedError):
                verify(collect(pairs(told)), wrong, secret, now=now)
    with pytest.raises(HookRefusedError):
        verify(collect(pairs(told)), body, secret + b"x", now=now)
    if body.startswith(b"{"):
        assert recognize(pairs(told), body, secret, now=now).kind is kind


@pytest.mark.skipif(not known_answers(), reason=f"there are no known answers in {CASES}")
@pytest.mark.parametrize(
    ("name", "ref", "commit"),
    [
        ("gogs-push-event", "refs/heads/develop", "bffeb74224043ba2feb48d137756c8a9331c449a"),
        ("goscm-github-42", "refs/heads/master", "199eddf46df50de8d02e99bf1c5fdb4101338224"),
        (
            "goscm-gitlab-token-topsecret",
            "refs/heads/master",
            "2adc9465c4edfc33834e173fe89436a7cb899a1d",
        ),
        ("bitbucket-server-repo-refs-changed", "refs/heads/feature/wip", None),
        ("gitea-issues-event", None, None),
    ],
)
def test_pushes_of_real_forges_hint_at_their_ref_and_commit(
    name: str, ref: str | None, commit: str | None
) -> None:
    case = next(one for one in known_answers() if one["id"] == name)
    told = case["headers"]
    assert isinstance(told, dict)
    body = (CASES / str(case["body"])).read_bytes()
    hint = recognize(pairs(told), body, str(case["secret"]).encode(), now=NOW)
    assert (hint.ref, hint.commit) == (ref, commit)


def test_a_push_hints_at_ref_commit_and_delivery() -> None:
    hint = recognize(github(PUSH, X_GitHub_Delivery="d-1"), PUSH, SECRET + b"\n", now=NOW)
    assert (hint.kind, hint.event, hint.delivery) == (Kind.GITHUB, "push", "d-1")
    assert (hint.ref, hint.commit) == ("refs/heads/main", SHA)


@pytest.mark.parametrize(
    ("event", "push"), [("push", True), ("ping", False), ("issues", False), ("", False)]
)
def test_only_a_push_says_that_refs_moved(event: str, push: bool) -> None:
    sent = {"X-Hub-Signature-256": f"sha256={signed(PUSH)}", "X-GitHub-Event": event}
    assert recognize(pairs(sent), PUSH, SECRET, now=NOW).push is push


def test_a_form_of_github_is_verified_as_it_came_and_then_unwrapped() -> None:
    body = urlencode({"payload": PUSH.decode()}).encode()
    form = {"Content_Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert recognize(github(body, **form), body, SECRET, now=NOW).commit == SHA
    for wrong in (b"payload=1&payload=2", b"a=b", b"payload=%ff", b"&" * 100, b""):
        with pytest.raises(HookRefusedError) as refusal:
            recognize(github(wrong, **form), wrong, SECRET, now=NOW)
        assert refusal.value.proven


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"X-Forgejo-Signature": "", "X-Gitea-Signature": "", "X-Gogs-Signature": ""}, "forgejo"),
        ({"X-Gitea-Signature": "", "X-Gogs-Signature": "", "X-GitHub-Event": "push"}, "gitea"),
        ({"X-Gogs-Signature": "", "X-Gogs-Event": "push"}, "gogs"),
        ({"X-Hub-Signature-256": "sha256=", "X-GitHub-Event": "push"}, "github"),
        ({"X-Hub-Signature": "sha256=", "X-Event-Key": "pr:opened"}, "bitbucket-server"),
        ({"X-Hub-Signature": "sha256=", "X-Hook-UUID": "1"}, "bitbucket"),
        ({"X-Signature": "sha256="}, "generic"),
    ],
)
def test_the_most_telling_signature_says_who_it_is(headers: dict[str, str], kind: str) -> None:
    digest = signed(PUSH)
    sent = {
        name: value + digest if "Signature" in name else value for name, value in headers.items()
    }
    assert recognize(pairs(sent), PUSH, SECRET, now=NOW).kind == kind
    decisive = next(name for name in headers if "Signature" in name)
    forged = {**sent, decisive: headers[decisive] + "0" * 64}
    with pytest.raises(HookRefusedError):
        recognize(pairs(forged), PUSH, SECRET, now=NOW)


@pytest.mark.parametrize(
    ("new", "ref", "commit"),
    [
        ({"type": "branch", "name": "main", "target": {"hash": SHA}}, "refs/heads/main", SHA),
        ({"type": "annotated", "name": "v1", "target": {"hash": SHA}}, None, SHA),
        ({"type": "tag", "name": "v1", "target": {"hash": "0" * 40}}, "refs/tags/v1", None),
        (None, None, None),
    ],
)
def test_the_cloud_of_bitbucket_is_read(new: object, ref: str | None, commit: str | None) -> None:
    body = json.dumps({"push": {"changes": [{"old": {}, "new": new}]}}).encode()
    sent = {"X-Event-Key": "repo:push", "X-Hub-Signature": f"sha256={signed(body)}"}
    hint = recognize(pairs({**sent, "X-Request-UUID": "u"}), body, SECRET, now=NOW)
    assert (hint.kind, hint.ref, hint.commit, hint.delivery) == (Kind.BITBUCKET, ref, commit, "u")


def test_several_refs_at_once_hint_at_none_of_them() -> None:
    change = {"refId": "refs/heads/main", "toHash": SHA}
    body = json.dumps({"changes": [change, change]}).encode()
    sent = {"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": f"sha256={signed(body)}"}
    hint = recognize(pairs(sent), body, SECRET, now=NOW)
    assert (hint.ref, hint.commit) == (None, None)


def test_a_script_of_ones_own_may_send_any_body() -> None:
    for body in (b"", b"now", b"[" * 100_000, b'{"ref": 1}'):
        sent = pairs({"X-Signature": f"sha256={signed(body)}"})
        hint = recognize(sent, body, SECRET, now=NOW)
        assert (hint.ref, hint.push) == (None, True)
    sent = pairs({"X-Signature": f"sha256={signed(PUSH)}"})
    assert recognize(sent, PUSH, SECRET, now=NOW).commit == SHA


KEY = bytes(range(32))
WRAPPED = b"whsec_" + base64.b64encode(KEY)


def standard_headers(at: datetime, signatures: str) -> list[tuple[bytes, bytes]]:
    stamp = str(int(at.timestamp()))
    sent = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signatures}
    return pairs(sent)


def test_one_right_signature_of_several_is_enough() -> None:
    right = standard(PUSH, at=NOW, key=KEY)
    sent = standard_headers(NOW, f"v1a,AAAA v1,AAAA {right}")
    hint = recognize(sent, PUSH, WRAPPED, now=NOW)
    assert (hint.kind, hint.commit, hint.delivery) == (Kind.STANDARD, SHA, "msg_1")
    many = standard_headers(NOW, f"{'v1,AAAA ' * MOST_SIGNATURES}{right}")
    for wrong in (standard_headers(NOW, "v1,AAAA"), standard_headers(NOW, right[3:]), many):
        with pytest.raises(HookRefusedError):
            recognize(wrong, PUSH, WRAPPED, now=NOW)


@pytest.mark.parametrize("seconds", [-TOLERANCE - 1, -TOLERANCE, TOLERANCE, TOLERANCE + 1])
def test_a_signed_time_counts_for_five_minutes_to_both_sides(seconds: float) -> None:
    at = NOW + timedelta(seconds=seconds)
    sent = standard_headers(at, standard(PUSH, at=at, key=KEY))
    if abs(seconds) <= TOLERANCE:
        assert recognize(sent, PUSH, WRAPPED, now=NOW).ref
    else:
        with pytest.raises(HookRefusedError):
            recognize(sent, PUSH, WRAPPED, now=NOW)


def test_gitlab_may_send_its_token_beside_the_signature() -> None:
    both = [
        *standard_headers(NOW, standard(PUSH, at=NOW, key=KEY)),
        *pairs({"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "older"}),
    ]
    assert recognize(both, PUSH, WRAPPED, now=NOW).kind is Kind.GITLAB
    assert recognize(both, PUSH, b"older", now=NOW).kind is Kind.GITLAB
    for wrong in (b"other", WRAPPED[:-4] + b"AAA=", b"whsec_", b"whsec_%%%%"):
        with pytest.raises(HookRefusedError):
            recognize(both, PUSH, wrong, now=NOW)


def test_a_stranger_learns_nothing_from_a_refusal() -> None:
    refused = [
        [],
        github(b"other"),
        pairs({"X-Hub-Signature-256": "sha256=\xff\xfe"}),
        pairs({"X-Hub-Signature": "sha1=" + "0" * 40}),
        pairs({"X-Gitlab-Token": "t\xf6ken"}),
        [*github(PUSH), *github(PUSH)],
        github(PUSH, X_Request_Id="x" * (bounds.LONGEST + 1)),
        [*github(PUSH), *pairs({f"h{n}": "" for n in range(bounds.MOST)})],
        pairs({"webhook-signature": "v1,AAAA", "webhook-id": "1", "webhook-timestamp": "\xb2"}),
        pairs({"webhook-signature": "v1,AAAA", "webhook-id": "1", "webhook-timestamp": "9" * 11}),
    ]
    seen = set()
    for sent in refused:
        with pytest.raises(HookRefusedError) as refusal:
            recognize(sent, PUSH, SECRET, now=NOW)
        seen.add((str(refusal.value), refusal.value.hint, refusal.value.proven))
        assert refusal.value.reason
    assert seen == {("cannot take this request", None, False)}


@pytest.mark.parametrize("secret", [b"", b"\r\n"])
def test_an_empty_secret_opens_nothing(secret: bytes) -> None:
    with pytest.raises(HookRefusedError, match="cannot take"):
        recognize(github(PUSH), PUSH, secret, now=NOW)
    sent = pairs({"X-Gitlab-Token": ""})
    with pytest.raises(HookRefusedError):
        recognize(sent, PUSH, secret, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"ref":' * 1_000_000,
        b'{"x":' + b"[" * 1_000_000,
        b"not json",
        b"",
        b"\xff\xfe",
        b'{"ref": "\xff"}',
        b'{"ref": 1}',
        b'{"after": ["' + SHA.encode() + b'"]}',
        b"[]",
        b"null",
        b'{"ref": "x"} trailing',
    ],
)
def test_a_body_that_no_forge_sends_is_told_only_to_who_knows_the_secret(body: bytes) -> None:
    with pytest.raises(HookRefusedError) as refusal:
        recognize(github(body), body, SECRET, now=NOW)
    assert refusal.value.proven
    with pytest.raises(HookRefusedError) as refusal:
        recognize(github(body), body, b"other", now=NOW)
    assert not refusal.value.proven


@pytest.mark.parametrize(
    "ref", ["main", "refs/heads/\x1b[31m", "refs/heads/a b", "refs/" + "x" * 500, "refs/\u202e"]
)
def test_what_is_no_ref_and_no_commit_is_no_hint(ref: str) -> None:
    body = json.dumps({"ref": ref, "after": "main; rm -rf /"}).encode()
    hint = recognize(github(body), body, SECRET, now=NOW)
    assert (hint.ref, hint.commit) == (None, None)
    odd = github(PUSH, X_GitHub_Delivery="\x1b]0;x")
    assert recognize(odd, PUSH, SECRET, now=NOW).delivery is None


def test_a_body_is_bounded_before_anything_is_computed() -> None:
    body = bytes(LARGEST + 1)
    with pytest.raises(HookRefusedError) as refusal:
        recognize(github(b""), body, SECRET, now=NOW)
    assert "25 MiB" in refusal.value.reason


WORD = st.binary(max_size=80)
NAMES = st.sampled_from(sorted(bounds.KNOWN)) | WORD


@given(st.lists(st.tuples(NAMES, WORD), max_size=12), WORD, WORD)
def test_whatever_a_stranger_sends_is_refused_and_nothing_else_happens(
    headers: list[tuple[bytes, bytes]], body: bytes, secret: bytes
) -> None:
    with pytest.raises(HookRefusedError):
        recognize(headers, body, b"\x00 never guessed \xff" + secret, now=NOW)


def blamed(headers: Mapping[str, str], body: bytes) -> bool | None:
    """Whether a refusal blames the body of a sender who knows the secret; None without a refusal."""
    try:
        recognize(pairs(headers), body, SECRET, now=NOW)
    except HookRefusedError as refusal:
        return refusal.proven
    return None


@given(st.binary(max_size=300), st.sampled_from(["push", "issues", "repo:push", ""]))
def test_whatever_is_signed_gives_a_hint_or_a_refusal(body: bytes, event: str) -> None:
    for header in ("X-Hub-Signature-256", "X-Hub-Signature", "X-Signature"):
        sent = {header: f"sha256={signed(body)}", "X-Event-Key": event, "X-GitHub-Event": event}
        assert blamed(sent, body) in {True, None}
