"""A plan as a comment: small enough for a forge, and nothing in it is more than text."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from controller.cli.views.plan_markdown import LIMIT, code, plan_markdown
from controller.model.diagnostic import Diagnostic, Place, Severity
from controller.model.plan import Blocker, Change, Excess, FileChange, Gate, Limit, Plan
from tests.cli.records import changed, full_plan
from tests.cli.stage import NOW

EVIL = (
    "``` </details> </code><script>alert(1)</script> `x` @everyone #1 !!1\n"
    "# big\n- [ ] task\n````\n~~~\n<!-- -->\n[a](javascript:b)\x1b[2J\u202e"
)
DIFF = "--- a\n+++ b\n@@ -1 +1 @@\n-workers = 2\n+workers = 4\n"


def shown(*changes: Change, **fields: object) -> str:
    plan: Plan = replace(full_plan(), changes=changes, **fields)  # type: ignore[arg-type]
    return plan_markdown(plan, NOW)


def outside(markdown: str) -> str:
    """Take away what stands in fences, code spans and <code>; what remains is what Markdown reads."""
    rest = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", markdown)
    rest = re.sub(r"<code>[^<]*</code>", "", rest)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", rest)


def file(path: str = "/etc/shop.conf", *, diff: str = DIFF) -> FileChange:
    return FileChange(path=path, what="content changes", diff=diff)


def test_a_diff_stands_in_a_block_of_its_own() -> None:
    out = shown(replace(changed("web-01"), files=(file(),)))
    assert "- `/etc/shop.conf`: `content changes`" in out
    assert f"\n```diff\n{DIFF}```" in out


def test_waves_are_named_where_there_are_several() -> None:
    first, second = changed("web-01"), replace(changed("web-02"), wave=2)
    assert "in wave" not in shown(first)
    out = shown(first, second)
    assert "web-01 in wave 1</code>" in out
    assert "web-02 in wave 2</code>" in out


def test_what_the_guard_refuses_stands_above_with_what_clears_it() -> None:
    limit = Excess(limit=Limit.REMOVALS, message="12 of 30 removed", clear="ctl apply --override x")
    out = shown(changed("web-01"), excess=(limit,))
    assert out.index("- **refused** `12 of 30 removed`; `ctl apply --override x`") < out.index(
        "<details>"
    )


def test_text_from_a_hostile_repository_stays_text() -> None:
    change = replace(
        changed("web-01"),
        target=EVIL,
        server=EVIL,
        reason=EVIL,
        drift=EVIL,
        notes=(EVIL, ""),
        commands=(EVIL,),
        files=(FileChange(path=EVIL, what=EVIL, diff=EVIL),),
    )
    held = replace(change, blocked_by=Blocker(gate=Gate.LOCK, message=EVIL))
    out = shown(
        change,
        held,
        subject=EVIL,
        excess=(Excess(limit=Limit.SERVERS, message=EVIL, clear=EVIL),),
        diagnostics=(
            Diagnostic(severity=Severity.WARNING, code="x", message=EVIL, place=Place(file=EVIL)),
        ),
    )
    read = outside(out)
    assert "\x1b" not in out
    assert "\u202e" not in out
    for word in ("script", "everyone", "big", "task", "javascript", "<!--", "`", "~"):
        assert word not in read, read
    assert read.count("<details>") == read.count("</details>") == 2


@given(st.lists(st.text(alphabet="`a \n@<", max_size=12), min_size=1, max_size=4))
def test_no_text_leaves_its_code_span(texts: list[str]) -> None:
    assert outside(" ".join(code(text) for text in texts)).strip() == ""


def huge(number: int) -> Change:
    text = "".join(f"+{number} {line} \u2028\n" for line in range(900))
    files = tuple(file(f"/etc/{number}/{one}", diff=text) for one in range(60))
    notes = ("n" * 9000,) * 300
    return replace(
        changed(f"web-{number}"),
        target=f"t{number}",
        reason="r" * 9000,
        files=files,
        commands=(text,) * 50,
        notes=notes,
    )


@pytest.mark.parametrize("findings", [0, 500])
def test_a_huge_plan_fits_and_no_single_change_pushes_out_the_rest(findings: int) -> None:
    finding = Diagnostic(
        severity=Severity.WARNING,
        code="x",
        message="\U0001f600" * 9000,
        place=Place(file="f" * 999),
    )
    out = shown(*(huge(one) for one in range(40)), diagnostics=(finding,) * findings)
    assert len(out.encode()) <= LIMIT
    assert out.count("<details>") == out.count("</details>") >= 2
    assert out.rstrip().endswith("more; `ctl plan` shows all.")
