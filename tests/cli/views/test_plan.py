"""What people read of a plan, word for word."""

from dataclasses import replace

from controller.cli.views.plan import PlanScene, plan_text, summary_line
from controller.cli.views.style import PLAIN, Style
from controller.model.plan import Action, Summary
from tests.cli.records import changed, empty_plan, full_plan
from tests.cli.stage import NOW

SCENE = PlanScene(now=NOW, style=PLAIN, state=".ctl")

WHOLE = """\
Plan of a1b2c3d "raise worker limit" (Ana)
observed 2 min ago · state .ctl

Drift (nothing changed in git)
  ≠ chrony on db-2
      because pipelines/base.yaml:3
      differs: check ended with exit 1: /etc/chrony.conf differs

Changes
  ~ shop-prod (deploy-shop) on 3 servers: web-[01:03]
      because parameter workers changed, pipelines/shop.yaml:14 a1b2c3d by Ana
      > ./build.sh
      > systemctl restart shop
        systemctl status shop
  . legacy (cron) on app-1
      because target legacy is no longer declared, pipelines/legacy.yaml a1b2c3d by Lee

Removals, once more
  . legacy (cron) on app-1
      because target legacy is no longer declared, pipelines/legacy.yaml a1b2c3d by Lee

Blocked
  ! migrate on db-1
      lock: locked by ana@laptop since 10:02; clear it with: ctl jobs list --server db-1

Unknown
  ? shop-prod (deploy-shop) on web-9
      because not reached (tcp): connection refused

Plan: 0 to add, 3 to change, 1 to remove, 0 to run on 4 servers; 1 drifted; 1 blocked; 1 unknown."""


def test_a_plan_reads_in_the_order_drift_changes_removals_blocked_unknown_summary() -> None:
    assert plan_text(full_plan(), SCENE) == WHOLE


def test_the_summary_line_is_frozen() -> None:
    summary = Summary(add=1, change=2, remove=3, run=4, servers=5, drifted=6, blocked=7, unknown=8)
    assert summary_line(summary) == (
        "Plan: 1 to add, 2 to change, 3 to remove, 4 to run on 5 servers; "
        "6 drifted; 7 blocked; 8 unknown."
    )


def test_a_plan_without_changes_says_so_with_the_age_of_what_it_knows() -> None:
    text = plan_text(empty_plan(), SCENE)
    assert text.splitlines()[-1] == (
        "No changes. 42 pairs on 21 servers as declared at a1b2c3d (observed 3 h ago)."
    )


def test_a_dirty_work_tree_and_filters_are_named_in_the_header() -> None:
    plan = replace(full_plan(), dirty=True, scope={"limit": "web"}, observed_at=None)
    head = plan_text(plan, SCENE).splitlines()[:2]
    assert head[0].endswith("+ changes that are not committed")
    assert head[1] == "nothing observed · state .ctl · only limit web"


def test_full_shows_every_server_by_itself() -> None:
    text = plan_text(full_plan(), replace(SCENE, full=True))
    assert "on 3 servers" not in text
    assert [f"on web-0{n}" in text for n in (1, 2, 3)] == [True, True, True]


def test_ascii_terminals_get_ascii_symbols() -> None:
    text = plan_text(full_plan(), replace(SCENE, style=Style(unicode=False)))
    assert text.isascii()
    assert "  != chrony on db-2" in text


def test_without_colour_there_is_no_escape_code_and_with_it_the_words_stay() -> None:
    assert "\x1b" not in plan_text(full_plan(), SCENE)
    coloured = plan_text(full_plan(), replace(SCENE, style=Style(color=True)))
    assert "\x1b[33m~\x1b[0m shop-prod" in coloured


def test_hostile_text_cannot_move_the_cursor_or_add_a_line() -> None:
    evil = "x\x1b[2J\r\n  + fake on web-1\u202e"
    plan = replace(
        full_plan(),
        author=evil,
        subject=evil,
        changes=(replace(changed("web-1"), reason=evil, drift=evil, commands=(f"true {evil}",)),),
    )
    text = plan_text(plan, SCENE)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert not any(row.startswith("  + fake") for row in text.splitlines())


def test_a_repair_is_drift_that_says_it_will_be_repaired() -> None:
    change = replace(changed("db-2"), action=Action.REPAIR, drift="check ended with exit 1")
    text = plan_text(replace(full_plan(), changes=(change,)), SCENE)
    assert "  ≠ shop-prod (deploy-shop) on db-2" in text
    assert "will be repaired" in text
    assert "> ./build.sh" in text
