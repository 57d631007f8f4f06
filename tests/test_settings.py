"""Claims about settings: precedence, origins, units, refusals, secrets."""

from pathlib import Path

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.setting_values import seconds
from gitops_canary.settings import Effective, Settings, load_settings, shown
from gitops_canary.wiring.rules import git_options


def source(name: str, effective: tuple[Effective, ...]) -> str:
    return next(one.source for one in effective if one.name == name)


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("git-url: file\ngit-branch: file\ngit-user: file\n")
    env = {"GITOPS_CANARY_GIT_URL": "env", "GITOPS_CANARY_GIT_BRANCH": "env"}
    settings, origins = load_settings({"git-url": "flag"}, env, str(file))
    assert (settings.git_url, settings.git_branch, settings.git_user, settings.git_email) == (
        "flag",
        "env",
        "file",
        "gitops-canary@localhost",
    )
    assert source("git-url", origins) == "flag --git-url"
    assert source("git-branch", origins) == "variable GITOPS_CANARY_GIT_BRANCH"
    assert source("git-user", origins) == f"file {file}"
    assert source("git-email", origins) == "default"


def test_a_flag_of_flux_means_the_same_setting() -> None:
    assert load_settings({"automation-interval": "30s"}, {})[0].registry_poll_interval == 30.0


DURATIONS = [("30", 30.0), ("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5s", 1.5)]


@pytest.mark.parametrize(("text", "value"), DURATIONS)
def test_durations_are_read_as_go_writes_them(text: str, value: float) -> None:
    assert seconds(text) == value


WRONG = [
    pytest.param({"git-poll-interval": "soon"}, "git-poll-interval (flag --git-poll-interval): 'soon' is not a duration", id="duration"),
    pytest.param({"git-ci-skip": "maybe"}, "'maybe' is neither true nor false", id="switch"),
    pytest.param({"sync-state": "secret"}, "is none of inventory, git", id="choice"),
    pytest.param({"git-path": "/etc"}, "must stay inside the repository", id="absolute path"),
    *(
        pytest.param({name: "0"}, f"{name} (flag --{name}): '0' is too short", id=f"no {name}")
        for name in ("git-poll-interval", "git-timeout", "sync-interval", "registry-poll-interval", "charts-sync-interval")
    ),
    *(
        pytest.param({name: value}, f"{value!r} is not a whole number of 1 or more", id=f"{name} {value}")
        for name in ("registry-rps", "registry-burst", "helm-workers")
        for value in ("0", "-1", "two", "1.5")
    ),
    pytest.param({"cluster-name": ""}, "'' is not a name of up to 63 letters", id="no cluster name"),
    pytest.param({"cluster-name": "../../x"}, "'../../x' is not a name of up to 63 letters", id="cluster name that leaves"),
    pytest.param({"namespace": "A_b"}, "'A_b' is not the name of a namespace", id="namespace"),
    pytest.param({"metrics-server": "ftp://prometheus"}, "is not an address that begins with http://", id="metrics server"),
    pytest.param({"metrics-server": "prometheus:9090"}, "is not an address that begins with http://", id="metrics server without scheme"),
    pytest.param({"git-path": "a/../../b"}, "must stay inside the repository", id="path that leaves"),
]


@pytest.mark.parametrize(("flags", "sentence"), WRONG)
def test_a_wrong_value_is_refused_with_its_place(flags: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        load_settings(flags, {})
    assert sentence in str(refused.value)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("git-ulr: x\n")
    with pytest.raises(UserError, match="unknown settings git-ulr"):
        load_settings({}, {}, str(file))


def test_secrets_are_never_printed() -> None:
    _, origins = load_settings({"slack-url": "https://hooks.example/T0/secret"}, {})
    assert not any("secret" in value for _, value, _ in shown(origins))


def test_every_setting_says_what_it_is_for() -> None:
    assert all(len(one.metadata["why"]) > 8 and one.metadata["unit"] for one in Settings.__dataclass_fields__.values())


def test_a_known_hosts_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings, _ = load_settings({"git-known-hosts": str(tmp_path / "none")}, environ={})
    with pytest.raises(UserError, match=r"cannot read --git-known-hosts .*/none: .*No such file"):
        git_options(settings, tmp_path)
