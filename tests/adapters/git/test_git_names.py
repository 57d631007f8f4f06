"""URLs, refs, known hosts and failures: what is taken, what is refused, and in which words."""

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.adapters.git.failures import FAILURES, Kind, diagnose, error_for, said
from gitops_canary.adapters.git.hosts import BUILT_IN, known_hosts
from gitops_canary.adapters.git.names import check_ref
from gitops_canary.adapters.git.options import GitOptions
from gitops_canary.adapters.git.ssh import control_folder
from gitops_canary.adapters.git.transport import Transport
from gitops_canary.adapters.git.urls import parse_url
from gitops_canary.domain.errors import Unavailable, UserError

GOOD = {
    "git@github.com:org/repo": ("ssh", "github.com", None, "git"),
    "git@github.com:org/repo.git": ("ssh", "github.com", None, "git"),
    "ssh://git@host:2222/org/repo.git": ("ssh", "host", 2222, "git"),
    "ssh://git@[::1]:2222/repo": ("ssh", "::1", 2222, "git"),
    "ssh://git@ssh.dev.azure.com/v3/org/project/repo": ("ssh", "ssh.dev.azure.com", None, "git"),
    "https://host/org/repo.git": ("https", "host", None, ""),
    "http://gitea.gitea.svc:3000/org/repo": ("http", "gitea.gitea.svc", 3000, ""),
}


@pytest.mark.parametrize(("raw", "parts"), GOOD.items(), ids=GOOD.keys())
def test_F19_urls_that_are_taken(raw: str, parts: tuple[object, ...]) -> None:
    url = parse_url(raw)
    assert (url.scheme, url.host, url.port, url.user) == parts
    assert url.text == raw


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x",
        "ssh://-oProxyCommand=x/repo",
        "ssh://git@-oProxyCommand=x/repo",
        "ssh://-l@host/repo",
        "ssh://git:pw@host/repo",
        "git@-host:repo",
        "-x@host:repo",
        "git@host:-x",
        "https://host/--upload-pack",
        "https://host",
        "https://host/x?y=z",
        "https://host/x#y",
        "https://ho st/x",
        "https://host:port/x",
        "https://[::1/x",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::3",
        "git://host/x",
        "ftp://host/x",
        "file:///etc",
        "file://host/etc",
        "/etc",
        "./x",
        "..",
        "host/x",
        "ssh://git@host/x\nHost evil",
        "git@host:x\ty",
        "https://host/x%0ay",
        "x" * 3000,
    ],
)
def test_b55_urls_that_are_refused(raw: str) -> None:
    with pytest.raises(UserError, match="cannot use the Git URL"):
        parse_url(raw)


def test_a_refused_url_shows_no_password() -> None:
    with pytest.raises(UserError) as caught:
        parse_url("ftp://robot:s3cret-pw@host/x")
    assert "s3cret-pw" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_a_refusal(raw: str) -> None:
    try:
        url = parse_url(raw, allow_file=True)
    except UserError:
        return
    assert not url.text.startswith("-")
    assert not url.host.startswith("-")
    assert not url.user.startswith("-")


@pytest.mark.parametrize("name", ["main", "feature/x", "v1.2.3", "refs/heads/main", "a-b_c", "ünï"])
def test_ref_names_that_are_taken(name: str) -> None:
    assert check_ref(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "--upload-pack=x",
        "refs/heads/../x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "a/",
        "/a",
        "a//b",
        "a.",
        "a.lock",
        "a.lock/b",
        "a/.b",
        ".a",
        "@",
        "a@{b",
        "a\x7f",
        "a\n",
        "x" * 300,
    ],
)
def test_b56_ref_names_that_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not a valid Git ref name"):
        check_ref(name)


# As the hosts publish them: docs.github.com, docs.gitlab.com, support.atlassian.com, learn.microsoft.com.
PUBLISHED = {
    ("github.com", "ssh-ed25519"): "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
    ("github.com", "ecdsa-sha2-nistp256"): "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
    ("github.com", "ssh-rsa"): "uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
    ("gitlab.com", "ssh-ed25519"): "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
    ("gitlab.com", "ecdsa-sha2-nistp256"): "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
    ("gitlab.com", "ssh-rsa"): "ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
    ("bitbucket.org", "ssh-ed25519"): "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
    ("bitbucket.org", "ecdsa-sha2-nistp256"): "FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
    ("bitbucket.org", "ssh-rsa"): "46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
    ("ssh.dev.azure.com", "ssh-rsa"): "ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og",
    ("vs-ssh.visualstudio.com", "ssh-rsa"): "ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og",
}


def test_the_built_in_host_keys_have_the_published_fingerprints() -> None:
    found: dict[tuple[str, str], str] = {}
    for line in BUILT_IN:
        names, kind, key = line.split()
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")
        found |= {(name, kind): digest for name in names.split(",")}
    assert found == PUBLISHED


def test_further_known_hosts_are_added_and_nonsense_is_refused() -> None:
    line = "[git.example.com]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    assert line in known_hosts(f"# ours\n\n{line}\n@revoked * {line.split(' ', 1)[1]}\n").splitlines()
    with pytest.raises(UserError, match="line 2 of the given known_hosts"):
        known_hosts(f"{line}\ngit.example.com\n")


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot use the state folder .*: Not a directory"):
        Transport(GitOptions(state=tmp_path / "file"))


def test_the_control_folder_is_short_and_private(tmp_path: Path) -> None:
    folder = control_folder(tmp_path / ("long" * 40))
    assert len(str(folder)) < 70
    folder.chmod(0o755)
    with pytest.raises(UserError, match="not a private folder of ours"):
        control_folder(tmp_path / ("long" * 40))
    folder.rmdir()


# What real hosts and programs print (collected from their documentation and from runs).
SAID = {
    "read-only": [
        "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.",
        "ERROR: This deploy key does not have write access to this project.",
        "GitLab: You are not allowed to push code to this project.",
        "remote: Write access to repository not granted.\nfatal: unable to access 'https://x/': The requested URL returned error: 403",
        "ERROR: Permission to org/repo.git denied to deploy key",
    ],
    "protected": [
        "remote: error: GH006: Protected branch update failed for refs/heads/main.\n! [remote rejected] (protected branch hook declined)",
        "remote: GitLab: You are not allowed to push code to protected branches on this project.\n! (pre-receive hook declined)",
        "remote: TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
    ],
    "hook": ["remote: no\n! [remote rejected] (pre-receive hook declined)"],
    "repository": [
        "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
        "remote: The project you were looking for could not be found",
    ],
    "key-refused": ["git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository."],
    "host-key-unknown": [
        "No ED25519 host key is known for github.example and you have requested strict checking.\nHost key verification failed."
    ],
    "host-key-changed": ["@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed."],
    "dns": [
        "ssh: Could not resolve hostname nope: Name or service not known",
        "fatal: unable to access 'https://x/': Could not resolve host: x",
    ],
    "refused": ["ssh: connect to host x port 22: Connection refused", "ssh: connect to host x port 22: Connection timed out"],
    "disk-full": [
        "fatal: write error: No space left on device\nfatal: index-pack failed",
        "error: unable to write file: Disk quota exceeded",
    ],
    "host-disk-full": ["remote: fatal: write error: No space left on device\nerror: remote unpack failed: index-pack abnormal exit"],
    "host-damaged": ["remote: fatal: bad object refs/heads/x\nerror: git-upload-pack: git-pack-objects died with error."],
    "uid": ["No user exists for uid 1000710000\nfatal: Could not read from remote repository."],
    "tls": ["fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate in certificate chain"],
    "sha256": ["fatal: mismatched algorithms: client sha1; server sha256"],
    "lost": [
        "client_loop: send disconnect: Broken pipe\nfatal: the remote end hung up unexpectedly",
        "fatal: Could not read from remote repository.",
    ],
    "server": ["error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502"],
    "local": [
        "fatal: loose object 12 (stored in objects/12) is corrupt",
        "fatal: bad object refs/gitops-canary/1",
        "fatal: not a git repository: '/x'",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in SAID.items() for text in texts])
def test_each_failure_has_its_own_sentence(name: str, text: str) -> None:
    failure = diagnose(text)
    assert failure is not None
    assert failure.name == name
    error = error_for("push to", parse_url("git@github.com:org/repo"), text, ref="branch main", key="ssh-ed25519 AAAA x")
    assert isinstance(error, UserError if failure.kind is Kind.USER else Unavailable)
    assert str(error).startswith("cannot push to git@github.com:org/repo: ")
    assert "{" not in str(error)


def test_no_two_failures_share_a_sentence() -> None:
    assert len({failure.says for failure in FAILURES}) == len(FAILURES)


def test_what_a_host_says_is_one_short_printable_line() -> None:
    text = "remote: \x1b[31mred\x1b[0m\nremote: ========\nremote: " + "x" * 5000 + "\nfatal: no"
    assert said(text).startswith("[31mred[0m; xxx")
    assert len(said(text)) == 300


def test_an_unknown_failure_is_unavailable_and_quotes_it() -> None:
    error = error_for("fetch from", parse_url("https://host/x"), "fatal: something new")
    assert isinstance(error, Unavailable)
    assert str(error) == "cannot fetch from https://host/x: fatal: something new"


def test_without_git_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    transport = Transport(GitOptions(state=tmp_path / "s"))
    with pytest.raises(UserError, match="cannot run git: it is not installed"):
        transport.commands.run(["version"], git_dir=None, timeout=5)
