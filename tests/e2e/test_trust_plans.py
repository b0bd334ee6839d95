"""Saved plans: signed or not, altered, and telling no secret; plans for people who review."""

import json
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet
from tests.fakes.repositories import allowed_signers, ssh_key

CANARY = "kanarienvogel-0b7d55"


@pytest.fixture
def saved(fleet: Fleet) -> Path:
    """A plan of a file with a secret, signed with the key `lead`."""
    fleet.variables["CANARY"] = CANARY
    fleet.declare(
        "secrets: {canary: {env: CANARY}}\ntasks:\n  conf:\n    files:\n"
        f"      - {{path: {fleet.folder}/conf, content: \"p = {{{{ secret('canary') }}}}\\n\"}}\n"
        "targets: {t: {servers: here, task: conf}}\n"
    )
    lead = ssh_key(fleet.folder, "lead")
    plan = fleet.folder / "plan.json"
    fleet.ctl("plan", "--out", str(plan), "--sign", str(lead)).ended(0)
    (fleet.folder / "signers").write_bytes(allowed_signers(lead=lead))
    return plan


def applied(fleet: Fleet) -> bool:
    return (fleet.folder / "conf").exists()


def test_a_signed_plan_is_applied_where_its_signer_is_allowed(fleet: Fleet, saved: Path) -> None:
    signature = saved.with_name(saved.name + ".sig")
    assert signature.exists()
    assert CANARY not in saved.read_text() + signature.read_text()
    fleet.ctl("apply", str(saved), "--verify", str(fleet.folder / "signers")).ended(0)
    assert CANARY in (fleet.folder / "conf").read_text()


@pytest.mark.parametrize("how", ["unsigned", "altered", "stranger", "another"])
def test_a_plan_that_nobody_allowed_signed_as_it_is_changes_nothing(
    fleet: Fleet, saved: Path, how: str
) -> None:
    signers = fleet.folder / "signers"
    signature = saved.with_name(saved.name + ".sig")
    if how == "unsigned":
        signature.unlink()
    elif how == "altered":
        saved.write_text(saved.read_text().replace('"here"', '"her3"', 1))
    elif how == "stranger":
        signers.write_bytes(allowed_signers(lead=ssh_key(fleet.folder, "stranger")))
    else:
        other = fleet.folder / "other.json"
        fleet.ctl("plan", "--out", str(other), "--expires", "1h").ended(0)
        saved.write_bytes(other.read_bytes())
    said = fleet.ctl("apply", str(saved), "--verify", str(signers))
    assert said.code in {1, 4}, said.all
    said.ended(said.code)
    assert not applied(fleet)


def test_a_plan_whose_file_was_written_by_hand_in_the_meantime_is_stale_or_says_so(
    fleet: Fleet,
) -> None:
    there = fleet.folder / "conf"
    text = "tasks: {{conf: {{files: [{{path: {there}, content: '{n}'}}]}}}}\ntargets: {{t: {{servers: here, task: conf}}}}\n"
    fleet.declare(text.format(there=there, n=1))
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare(text.format(there=there, n=2))
    plan = fleet.folder / "plan.json"
    fleet.ctl("plan", "--out", str(plan)).ended(0)
    fleet.ctl("apply", "-y").ended(0)
    assert "stale" in fleet.ctl("apply", str(plan)).ended(4).err


@pytest.mark.sweep
def test_the_comment_for_a_pull_request_is_folded_and_short_for_a_large_fleet(
    fleet: Fleet,
) -> None:
    servers = "servers:\n  web-[0001:3000]: {}\n"
    text = "tasks: {{a: {{run: 'echo {n} {x}'}}}}\ntargets:\n" + "".join(
        f"  t{i}: {{{{servers: 'web-*', task: a}}}}\n" for i in range(3)
    )
    fleet.declare(text.format(n=1, x="x" * 3000), inventory__servers_yaml=servers)
    first = fleet.config.head
    fleet.declare(text.format(n=2, x="y" * 3000))
    said = fleet.ctl("plan", "--between", first, "HEAD", "-o", "md").ended(0).out
    assert len(said.encode()) < 60_000
    assert "<details>" in said
    assert "web-[0001:3000]" in said
    assert "9000 to change" in said
    made = json.loads(fleet.ctl("plan", "--between", first, "HEAD", "-o", "json").ended(0).out)
    assert len(made["changes"]) == 9000
