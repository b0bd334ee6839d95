"""Every kind of secret from the declaration to the server, and nowhere else."""

import os
from datetime import UTC, datetime
from pathlib import Path

from controller.secrets import age
from controller.secrets.sops.closing import Change, close_document, put
from tests.e2e.fleet import Fleet
from tests.e2e.test_secrets import forms, holding
from tests.secrets.closed import KEYS, RECIPIENT, key_in

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KINDS = ("by-age", "by-sops", "by-exec", "by-credential")
DECLARED = """\
secrets:
  by-age: {{age: secrets/hook.age}}
  by-sops: {{sops: secrets/prod.yaml, key: db.password}}
  by-exec: {{exec: [cat, {lies}/printed]}}
  by-credential: {{credential: shop-db}}
"""
USED = """\
tasks:
  use:
    secrets: {{A: by-age, B: by-sops, C: by-exec, D: by-credential}}
    run: 'printf "%s\\n" "$A" "$B" "$C" "$D" > {there}/kept; cat {there}/kept'
targets:
  t: {{servers: here, task: use}}
"""


def prepare(fleet: Fleet) -> tuple[Path, dict[str, str]]:
    """Put a value of each kind where it belongs."""
    values = {kind: f"{kind}-{os.urandom(6).hex()}" for kind in KINDS}
    lies = fleet.folder / "lies"
    lies.mkdir()
    key = key_in(lies)
    (lies / "printed").write_text(values["by-exec"] + "\n")
    (lies / "shop-db").write_text(values["by-credential"] + "\n")
    fleet.variables |= {"SOPS_AGE_KEY_FILE": str(key), "CREDENTIALS_DIRECTORY": str(lies)}
    (fleet.folder / "there").mkdir()
    document = f"db: {{password: {values['by-sops']}, port: 5432}}\n".encode()
    fleet.declare(
        USED.format(there=fleet.folder / "there"),
        inventory__secrets_yaml=DECLARED.format(lies=lies),
        secrets__prod_yaml=close_document("prod.yaml", document, [RECIPIENT], NOW).decode(),
        **{"secrets__hook.age": age.seal(values["by-age"].encode(), [RECIPIENT]).decode()},
    )
    return lies, values


def test_a_value_of_each_kind_arrives_and_lies_nowhere_else(fleet: Fleet) -> None:
    lies, values = prepare(fleet)
    applied = fleet.ctl("apply", "-y").ended(0)
    there = fleet.folder / "there"
    assert (there / "kept").read_text().split() == list(values.values())
    said = [applied.all]
    said += [
        fleet.ctl(*one).ended(0).all
        for one in (("jobs", "logs", "@last"), ("get", "secrets", "-o", "json"), ("plan",))
    ]
    words = [form for value in values.values() for form in forms(value)]
    assert "****" in said[1]
    assert [word for word in words if word in "\n".join(said).encode()] == []
    assert holding(fleet.folder, words, besides=(lies, there)) == []


def test_the_value_is_that_of_the_commit_that_is_planned(fleet: Fleet) -> None:
    prepare(fleet)
    fleet.ctl("apply", "-y").ended(0)
    file = fleet.config.path / "secrets/prod.yaml"
    before = file.read_bytes()
    change = Change(key="db.password", value="another-value")
    file.write_bytes(put("prod.yaml", before, KEYS, change, NOW))
    fleet.config.commit({}, message="rotate", author="Operations")
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "by-sops" in plan.out
    assert "another-value" not in plan.all
    fleet.ctl("apply", "-y").ended(0)
    assert "another-value" in (fleet.folder / "there/kept").read_text()
    file.write_bytes(before)  # on the disk only: the commit is what counts
    fleet.ctl("plan", "--at", "HEAD", "--detailed-exitcode").ended(0)


def test_a_file_that_was_touched_stops_the_work_before_it_begins(fleet: Fleet) -> None:
    prepare(fleet)
    file = fleet.config.path / "secrets/prod.yaml"
    touched = file.read_text().replace("port: ENC", "porto: ENC")
    fleet.config.commit({"secrets/prod.yaml": touched}, message="touch", author="Operations")
    refused = fleet.ctl("apply", "-y").ended(1)
    assert "cannot read secret by-sops: sops secrets/prod.yaml:" in refused.err
    assert "(declared at inventory/secrets.yaml:3:3)" in refused.err
    assert not (fleet.folder / "there/kept").exists()
