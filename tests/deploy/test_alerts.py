"""The alert rules by Prometheus' own tool: they can be loaded, and each fires when it should and not before."""

import subprocess

import yaml

from tests.deploy.manifests import DEPLOY

FOLDER = DEPLOY / "prometheus"


def promtool(*words: str) -> str:
    ended = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, cwd=FOLDER, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_rules_can_be_loaded_and_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint-fatal", "rules.yaml")
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yaml")


def test_each_alert_is_shown_firing_and_silent() -> None:
    rules = {rule["alert"] for rule in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]}
    told = yaml.safe_load((FOLDER / "rules_test.yaml").read_text())["tests"]
    cases = [case for test in told for case in test["alert_rule_test"]]
    for fires in (True, False):
        assert {case["alertname"] for case in cases if bool(case.get("exp_alerts")) is fires} == rules
