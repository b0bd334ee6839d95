"""Names sort as people count."""

from controller.planning.order import natural


def test_numbers_sort_by_value() -> None:
    names = ["web-10", "web-2", "web-1", "db", "web-02"]
    assert sorted(names, key=natural) == ["db", "web-1", "web-02", "web-2", "web-10"]
