"""Where people see a commit, from the URL that git uses."""

import pytest

from gitops_canary.domain.links import commit_link, history_link

LINKS = [
    ("ssh://git@github.com/acme/cluster.git", "https://github.com/acme/cluster/commit/abc"),
    ("git@github.com:acme/cluster", "https://github.com/acme/cluster/commit/abc"),
    ("https://github.com/acme/cluster.git", "https://github.com/acme/cluster/commit/abc"),
    ("git@gitlab.com:group/sub/cluster.git", "https://gitlab.com/group/sub/cluster/-/commit/abc"),
    ("ssh://git@gitlab.example.com:2222/a/b.git", "https://gitlab.example.com/a/b/-/commit/abc"),
    ("https://user:***@bitbucket.org/a/b.git", "https://bitbucket.org/a/b/commits/abc"),
    ("ssh://git@127.0.0.1:2222/cluster.git", ""),
    ("file:///srv/cluster.git", ""),
    ("javascript:alert(1)", ""),
    ("", ""),
]


@pytest.mark.parametrize(("url", "link"), LINKS, ids=[url or "empty" for url, _ in LINKS])
def test_a_commit_has_a_page_where_its_host_is_known(url: str, link: str) -> None:
    assert commit_link(url, "abc") == link


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("git@github.com:acme/cluster.git", "https://github.com/acme/cluster/commits/main/.gitops-canary/default/test/a%20b.yaml"),
        (
            "ssh://git@gitlab.example.com:2222/a/b.git",
            "https://gitlab.example.com/a/b/-/commits/main/.gitops-canary/default/test/a%20b.yaml",
        ),
        ("https://bitbucket.org/a/b.git", "https://bitbucket.org/a/b/history-node/main/.gitops-canary/default/test/a%20b.yaml"),
        ("ssh://git@127.0.0.1:2222/cluster.git", ""),
    ],
)
def test_a_file_has_a_page_of_its_history_where_its_host_is_known(url: str, link: str) -> None:
    assert history_link(url, "main", ".gitops-canary/default/test/a b.yaml") == link
