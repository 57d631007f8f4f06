"""Numbers in sentences."""

from gitops_canary.domain.counting import counted


def test_one_is_not_many() -> None:
    assert [counted(number, "canary", "canaries") for number in (0, 1, 2)] == ["0 canaries", "1 canary", "2 canaries"]
