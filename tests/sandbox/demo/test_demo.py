"""Claims about the demo: it ends well only if the story really happened, and notices an operator that does not roll back."""

import os
import subprocess
import sys

import pytest


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gitops_canary", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env={**os.environ, "NO_COLOR": "1"}, check=False)


@pytest.mark.parametrize("parts", [(), ("--proxy", "python", "--metrics", "embedded")], ids=["what-is-there", "python-only"])
def test_the_story_happens(parts: tuple[str, ...]) -> None:
    told = demo(*parts)
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    for sentence in (
        "New revision detected! Scaling up frontend.test",
        "Pre-rollout check helm test passed",
        "Advance frontend.test canary weight 50",
        "Copying frontend.test template spec to frontend-primary.test",
        "Promotion completed! Scaling down frontend.test",
        "Rolling back frontend.test failed checks threshold reached 3",
        "Promote frontend.test 3.1.3",
    ):
        assert sentence in told.stdout


def test_an_operator_without_rollback_is_noticed() -> None:
    told = demo("--break-rollback")
    assert told.returncode == 1
    assert "✖" in told.stdout
