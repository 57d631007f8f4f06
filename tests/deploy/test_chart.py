"""The Helm chart: the same objects as the kustomize build, values that reach the operator's settings, refusals that say what is wrong."""

import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart
from helm_python.errors import HelmError

from gitops_canary import __version__
from gitops_canary.settings import Settings, flag_of, load_settings
from tests.deploy.manifests import CHART, DEPLOY, built, by_name, comparable, notes, rendered

VARIANTS = [pytest.param("cluster-wide", {}, id="cluster-wide"), pytest.param("one-namespace", {"namespace": "test"}, id="one-namespace")]

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example/gitops-canary", "tag": "1.2.3", "pullPolicy": "Always", "pullSecret": "login"},
    "replicaCount": 2,
    "git": {
        "url": "git@github.com:you/cluster",
        "branch": "production",
        "path": ["namespaces", "releases"],
        "pollInterval": "2m",
        "timeout": "30s",
        "user": "Robot",
        "email": "robot@example.com",
        "ciSkip": True,
        "ciSkipMessage": "[skip ci]",
        "defaultRef": "main",
        "ssh": {"secretName": "flux-git-deploy", "known_hosts": "git.example ssh-ed25519 AAAA"},
    },
    "sync": {"interval": "10m", "state": "git", "garbageCollection": {"enabled": False}},
    "allowedNamespaces": ["test", "prod"],
    "registry": {
        "pollInterval": "1m",
        "rps": 5,
        "burst": 2,
        "insecureHosts": ["registry.local:5000"],
        "excludeImage": "quay.io/*",
        "includeImage": ["docker.io/*"],
        "mirrors": ["docker.io=https://mirror.example"],
        "ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "dockercfg": {"secretName": "registry-login"},
    },
    "chartsSyncInterval": "1m",
    "workers": 4,
    "meshProvider": "istio",
    "metricsServer": "http://prometheus.monitoring:9090",
    "clusterName": "eu-1",
    "selectorLabels": ["app"],
    "includeLabelPrefix": ["team/"],
    "configTracking": {"enabled": False},
    "leaderElection": {"enabled": False},
    "slack": {"url": "https://hooks.slack.example/T/S/secret-1", "channel": "general", "user": "robot"},
    "msteams": {"url": "https://teams.example/secret-2"},
    "discord": {"url": "https://discord.example/secret-3"},
    "rocket": {"url": "https://rocket.example/secret-5"},
    "gchat": {"url": "https://chat.example/secret-6"},
    "generic": {"url": "https://any.example/secret-7", "key": "secret-8"},
    "eventWebhook": "https://events.example/secret-4",
    "settings": {"git-sync-tag": "synced", "analysis-interval-floor": "5s"},
    "webhooks": {"secretName": "hooks"},
    "logLevel": "debug",
    "logFormat": "console",
    "serviceAccount": {"annotations": {"example.com/role": "operator"}},
    "applier": {"name": "writer", "annotations": {"example.com/role": "writer"}},
    "service": {"port": 80},
    "networkPolicy": {"from": [{"namespaceSelector": {}}]},
    "prometheus": {"serviceMonitor": {"create": True, "interval": "15s"}, "rules": {"create": True, "additionalLabels": {"release": "p"}}},
    "dashboards": {"enabled": True, "namespace": "grafana"},
    "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "a"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["git.example"]}],
    "priorityClassName": "high",
    "extraArgs": ["--git-timeout=40s"],
    "extraEnvs": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
}


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return by_name(rendered(EVERYTHING))


@pytest.mark.parametrize(("overlay", "values"), VARIANTS)
def test_chart_and_kustomize_build_make_the_same_objects(overlay: str, values: dict[str, Any]) -> None:
    ours = {key: comparable(doc) for key, doc in by_name(rendered(values)).items()}
    theirs = {key: doc for key, doc in by_name(built(overlay)).items() if doc["kind"] not in ("CustomResourceDefinition", "Namespace")}
    assert ours.keys() == theirs.keys()
    for key, doc in theirs.items():
        assert ours[key] == comparable(doc), key


@pytest.mark.parametrize("namespace", ["test", "gitops-canary"])
def test_o5_one_namespace_gives_the_applier_no_right_anywhere_else(namespace: str) -> None:
    docs = by_name(rendered({"namespace": namespace}))
    assert [key for key in docs if key.startswith("Cluster")] == []
    bound = [doc for doc in docs.values() if doc["kind"] == "RoleBinding" and doc["subjects"][0]["name"] == "gitops-canary-applier"]
    assert {doc["metadata"]["namespace"] for doc in bound} == {namespace}
    assert {doc["roleRef"]["name"] for doc in bound} == {"admin", "gitops-canary-applier"}


@pytest.mark.parametrize(
    ("source", "copy"),
    [("crds", "crds"), ("prometheus/rules.yaml", "files/prometheus/rules.yaml"), ("grafana", "files/grafana")],
    ids=["definitions", "alert rules", "dashboards"],
)
def test_the_charts_copies_are_those_of_deploy(source: str, copy: str) -> None:
    """Helm reads nothing outside a chart, and Git knows no links on every system: `make chart` copies them again."""
    assert _texts(CHART / copy) == _texts(DEPLOY / source)


def _texts(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(path.glob("*.*"))
    return {one.name: one.read_text() for one in files if one.name != "kustomization.yaml"}


def test_the_chart_installs_the_version_that_it_stands_beside() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    image = by_name(rendered({}))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"ghcr.io/gitops-canary/gitops-canary:{__version__}"


def test_every_value_reaches_the_setting_of_its_name(everything: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(everything["ConfigMap/gitops-canary/gitops-canary-settings"]["data"]["settings.yaml"])
    secret = everything["Secret/gitops-canary/gitops-canary-secret-settings"]["stringData"]
    container = everything["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["containers"][0]
    flags = dict(arg.removeprefix("--").split("=") for arg in container["args"][1:])
    assert flags.pop("config") == "/etc/gitops-canary/settings.yaml"
    seen, _ = load_settings(flags, environ=secret, file=str(file))
    assert seen == Settings(
        state_dir="/var/lib/gitops-canary",
        webhook_secret_dir="/etc/gitops-canary-webhooks",
        git_url="git@github.com:you/cluster",
        git_branch="production",
        git_path=("namespaces", "releases"),
        git_poll_interval=120.0,
        git_timeout=40.0,
        git_user="Robot",
        git_email="robot@example.com",
        git_ci_skip=True,
        git_ci_skip_message="[skip ci]",
        git_default_ref="main",
        git_secret_name="flux-git-deploy",
        git_known_hosts="/etc/gitops-canary/known_hosts",
        git_sync_tag="synced",
        sync_interval=600.0,
        sync_state="git",
        sync_garbage_collection=False,
        k8s_allow_namespace=("test", "prod"),
        applier_service_account="gitops-canary:writer",
        registry_poll_interval=60.0,
        registry_rps=5,
        registry_burst=2,
        registry_insecure_host=("registry.local:5000",),
        registry_exclude_image=("quay.io/*",),
        registry_include_image=("docker.io/*",),
        registry_mirror=("docker.io=https://mirror.example",),
        registry_ca="/etc/gitops-canary/registry-ca.pem",
        docker_config="/etc/gitops-canary-registry/.dockerconfigjson",
        charts_sync_interval=60.0,
        helm_workers=4,
        metrics_server="http://prometheus.monitoring:9090",
        cluster_name="eu-1",
        selector_labels=("app",),
        include_label_prefix=("team/",),
        enable_config_tracking=False,
        enable_leader_election=False,
        analysis_interval_floor=5.0,
        slack_url="https://hooks.slack.example/T/S/secret-1",
        slack_channel="general",
        slack_user="robot",
        msteams_url="https://teams.example/secret-2",
        discord_url="https://discord.example/secret-3",
        rocket_url="https://rocket.example/secret-5",
        gchat_url="https://chat.example/secret-6",
        generic_url="https://any.example/secret-7",
        generic_key="secret-8",
        event_webhook="https://events.example/secret-4",
        log_level="debug",
        log_format="console",
    )


def test_addresses_that_are_secrets_stand_in_a_secret_only(everything: dict[str, Any]) -> None:
    others = [str(doc) for key, doc in everything.items() if not key.startswith("Secret/")] + [notes(EVERYTHING)]
    assert not any("secret-" + number in text.replace("gitops-canary-secret-settings", "") for text in others for number in "12345678")


def test_an_address_beside_a_secret_of_ones_own_is_refused_instead_of_dropped() -> None:
    with pytest.raises(HelmError, match=r"gchat\.url is not read beside existingSecretSettings: put it there as GITOPS_CANARY_GCHAT_URL"):
        rendered({"existingSecretSettings": "mine", "gchat": {"url": "https://chat.example/x"}})


def test_a_url_with_a_login_stands_in_the_secret_and_in_no_note() -> None:
    values = {"git": {"url": "https://me:hunter2@git.example/cluster"}}
    docs = by_name(rendered(values))
    assert docs["Secret/gitops-canary/gitops-canary-secret-settings"]["stringData"] == {"GITOPS_CANARY_GIT_URL": values["git"]["url"]}
    assert "git-url" not in docs["ConfigMap/gitops-canary/gitops-canary-settings"]["data"]["settings.yaml"]
    assert "hunter2" not in notes(values)
    assert "https://git.example/cluster takes a login that may write" in notes(values)
    with pytest.raises(HelmError, match="has a login in it: put it into your existingSecretSettings"):
        rendered({**values, "existingSecretSettings": "mine"})


@pytest.mark.parametrize("name", [flag_of(one.name) for one in fields(Settings) if one.metadata["secret"]])
def test_no_secret_setting_gets_into_the_config_map(name: str) -> None:
    """But through a value of its own, which is kept in a Secret."""
    with pytest.raises(HelmError, match=f"settings.{name} is a secret, and settings are kept in a ConfigMap: give it as the value "):
        rendered({"settings": {name: "https://x.example/secret"}})


def test_changed_settings_start_the_pod_anew() -> None:
    def marks(values: dict[str, Any]) -> dict[str, str]:
        template = by_name(rendered(values))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]
        return {key: value for key, value in template["metadata"]["annotations"].items() if key.startswith("checksum/")}

    before = marks({})
    changed = marks({"git": {"branch": "other"}, "slack": {"url": "https://hooks.slack.example"}})
    assert {key for key in before if before[key] != changed[key]} == {"checksum/settings", "checksum/secret-settings"}


def test_monitoring_finds_the_service_the_rules_and_the_dashboards(everything: dict[str, Any]) -> None:
    service = everything["Service/gitops-canary/gitops-canary"]
    monitor = everything["ServiceMonitor/gitops-canary/gitops-canary"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    assert [one["port"] for one in monitor["endpoints"]] == [port["name"] for port in service["spec"]["ports"]]
    rule = everything["PrometheusRule/gitops-canary/gitops-canary"]
    assert rule["spec"] == yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "p"
    dashboards = everything["ConfigMap/grafana/gitops-canary-dashboards"]
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert sorted(dashboards["data"]) == sorted(_texts(DEPLOY / "grafana"))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"git": {"readonly": True}}, "at '/git': additional properties 'readonly' not allowed", id="a value that is none"),
        pytest.param({"git": {"pollInterval": 5}}, "at '/git/pollInterval': got number, want string", id="a duration without unit"),
        pytest.param({"git": {"pollInterval": "5 min"}}, "at '/git/pollInterval': '5 min' does not match pattern", id="an odd duration"),
        pytest.param({"git": {"url": "github.com/you/cluster"}}, "at '/git/url': 'github.com/you/cluster' does not match", id="no URL"),
        pytest.param({"logLevel": "trace"}, "at '/logLevel': value must be one of 'debug', 'info', 'warning', 'error'", id="a level"),
        pytest.param({"slack": {"url": "general"}}, "at '/slack/url': 'general' does not match pattern", id="a channel as address"),
        pytest.param({"meshProvider": "none"}, "at '/meshProvider': value must be", id="a router that is none"),
        pytest.param({"registry": {"rps": 0}}, "at '/registry/rps': minimum: got 0, want 1", id="no requests at all"),
        pytest.param({"namespace": "Test"}, "at '/namespace': 'Test' does not match pattern", id="a namespace that is none"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(values)
    assert sentence in str(refused.value)


def test_the_routers_of_the_chart_are_those_of_the_operator() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    for router in schema["properties"]["meshProvider"]["enum"]:
        assert load_settings({"mesh-provider": router}, environ={})[0].mesh_provider == router


def test_every_value_has_a_place_in_the_schema_and_a_default() -> None:
    def missing(values: Any, schema: Any, at: str) -> list[str]:
        known = schema.get("properties")
        if known is None:
            return []
        found = [f"{at}{key}" for key in known.keys() ^ values.keys() if f"{at}{key}" != "global"]
        return found + [odd for key in known.keys() & values.keys() for odd in missing(values[key], known[key], f"{at}{key}.")]

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert missing(values, yaml.safe_load((CHART / "values.schema.json").read_text()), "") == []


def test_the_notes_show_the_deploy_key_and_what_is_served() -> None:
    told = notes({"git": {"url": "git@github.com:you/cluster"}, "namespace": "test"}, "ops")
    assert "kubectl -n ops logs deployment/gitops-canary | grep identity.pub | cut -d '\"' -f2" in told
    assert "Add it to git@github.com:you/cluster as a deploy key with write access." in told
    assert "serves the namespace test." in told
    assert "No git.url is set: canaries are analysed" in notes({})
    assert "Add it to ssh://me@git.example:22/cluster as a" in notes({"git": {"url": "ssh://me:hunter2@git.example:22/cluster"}})


@pytest.mark.control_plane
def test_helm_lints_the_chart_with_every_value(helm: str, tmp_path: Path) -> None:
    file = tmp_path / "everything.yaml"
    file.write_text(yaml.safe_dump(EVERYTHING))
    for given in ([], ["-f", str(file)], ["--set", "namespace=test"]):
        command = [helm, "lint", "--strict", str(CHART), *given]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stdout
        assert "[WARNING]" not in ended.stdout


def test_helm_installs_every_definition() -> None:
    installed = sorted(str(one["name"]) for one in Chart.load(str(CHART)).crds)
    assert installed == sorted(f"crds/{path.name}" for path in (DEPLOY / "crds").glob("*.yaml") if path.name != "kustomization.yaml")
