"""Drift on real servers, over every carrier: seen, explained, adopted, and gone once the patch is committed."""

import pytest

from tests.e2e.fleet import Fleet
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.real


@pytest.mark.sweep
def test_a_change_by_hand_is_explained_and_adopted(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    path = fleet.folder / "conf"
    fleet.config.write({"templates/conf": "name = {{ server.name }}\nport = 80\n"})
    fleet.declare(
        f"tasks: {{conf: {{files: [{{path: {path}, template: templates/conf}}], run: 'true'}}}}\n"
        f"targets: {{t: {{servers: {server}, task: conf}}}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    path.write_text(f"name = {server}\nport = 8080\n")
    path.chmod(0o600)
    said = fleet.ctl("drift", "show").ended(0).out
    assert "-port = 8080" in said
    assert "mode 0600 -> 0644" in said
    assert "likely: last written at " in said
    patch = fleet.ctl("drift", "adopt", "t", server).ended(0).out
    fleet.config.git("apply", "-", stdin=patch.encode())
    fleet.config.commit(message="adopt")
    assert "No drift." in fleet.ctl("drift", "show").ended(0).out
    fleet.ctl("apply", "-y").ended(0)
    assert path.read_text() == f"name = {server}\nport = 8080\n"
    assert fleet.ctl("plan", "--detailed-exitcode").ended(0).summary.startswith("No changes.")


def test_a_server_that_does_not_answer_is_told_and_hides_no_other(ships: Fleet) -> None:
    path = ships.folder / "conf"
    ships.declare(
        "tasks:\n"
        f"  conf: {{files: [{{path: {path}, content: a}}], run: 'true'}}\n"
        "  idle: {run: 'true'}\n"
        "targets: {t: {servers: here, task: conf}, u: {servers: web-1, task: idle}}\n"
    )
    ships.ctl("apply", "-y").ended(0)
    path.write_text("b")
    text = (ships.config.path / "inventory/servers.yaml").read_text()
    port = ships.servers["web-1"].loopback.port
    ships.config.commit({"inventory/servers.yaml": text.replace(f"port: {port}", "port: 1")})
    said = ships.ctl("drift", "show").ended(0).out
    assert "≠ t on here" in said
    assert "? web-1: " in said
    refused = ships.ctl("drift", "adopt", "u", "web-1").ended(4)
    assert "next" not in refused.out
    assert "ctl check server web-1" in refused.err


def test_a_checkout_that_was_moved_is_shown_and_never_adopted(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    first = shop.commit({"a": "1"})
    path = fleet.folder / "tree"
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        f"tasks: {{get: {{checkout: {{path: {path}}}, run: 'true'}}}}\n"
        "targets: {t: {repo: shop, servers: here, task: get}}\n"
    )
    fleet.ctl("apply", "-y").ended(0)
    assert (path / "REVISION").read_text().strip() == first
    path.unlink()
    said = fleet.ctl("drift", "show").ended(0).out
    assert f"≠ {path}: no checkout is there" in said
    refused = fleet.ctl("drift", "adopt", "t", "here").ended(4)
    assert "it is a checkout" in refused.err
    assert refused.out == ""
