"""Claims about the demo: it ends well only if the story really happened, notices an operator that does not roll back, and tells the same
story on real servers."""

import os
import re
import subprocess
import sys
from functools import cache

import pytest

REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
SPOKEN = re.compile(r"^ +\d+\.\d s  (?P<text>.*?)(  [█░].*)?$", re.MULTILINE)
"""A sentence of the operator, without its time and its bar."""
COMMIT = re.compile(r"^[0-9a-f]{7} (?P<text>gitops-canary  .*)$", re.MULTILINE)
OF_THE_MOMENT = (re.compile(r"\b[0-9a-f]{7}\b"), re.compile(r"\b\d+\.\d+%"))
"""Commit ids, and rates that a few requests more or less change."""
WAITS = ("waiting for rollout", "no data yet", "is not bumped in")
"""Sentences that are said as often as somebody looks while pods start, samples come in or a result is on its way."""
BESIDE = ("Promote ", "Roll back ", "Auto-release ")
"""Commits as the log tells them: they come when Git has answered, which is beside the run."""


@cache
def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gitops_canary", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env={**os.environ, "NO_COLOR": "1"}, check=False)


def sentences(pattern: re.Pattern[str], text: str) -> list[str]:
    """What was said, with what differs from run to run taken out."""
    found = [one["text"].rstrip() for one in pattern.finditer(text)]
    for moment in OF_THE_MOMENT:
        found = [moment.sub("…", one) for one in found]
    return [one for one in found if not one.startswith("●") and not any(word in one for word in WAITS)]


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


@pytest.mark.control_plane
def test_real_servers_tell_the_same_story_in_the_same_words() -> None:
    sandbox, real = demo(), demo("--control-plane", "real")
    assert real.returncode == 0, real.stdout[-4000:] + real.stderr[-2000:]
    assert sentences(COMMIT, real.stdout) == sentences(COMMIT, sandbox.stdout)
    assert len(sentences(COMMIT, real.stdout)) == 6
    assert of_the_runs(real.stdout) == of_the_runs(sandbox.stdout)
    assert len(of_the_runs(real.stdout)) > 30


def of_the_runs(text: str) -> list[str]:
    return [one for one in sentences(SPOKEN, text) if re.search(r"frontend(-primary)?\.test", one) and not one.startswith(BESIDE)]


@pytest.mark.control_plane
def test_in_ci_no_real_server_of_the_demo_is_stood_in_for() -> None:
    notes = [line.strip() for line in demo("--control-plane", "real").stdout.splitlines() if " Note: " in line]
    assert not notes or os.environ.get(REQUIRED) != "1", notes
