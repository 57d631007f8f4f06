"""Web addresses of commits, from the URL that git uses; nothing is asked."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

PATHS = {"github.com": "commit", "gitlab.com": "-/commit", "bitbucket.org": "commits"}
HISTORIES = {"github.com": "commits", "gitlab.com": "-/commits", "bitbucket.org": "history-node"}
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)(?P<path>.+)")


def commit_link(url: str, revision: str) -> str:
    """Where people see the commit; "" for hosts whose pages are not known. `gitlab.…` and `github.…` of one's own count as such."""
    return _page(url, PATHS, revision)


def history_link(url: str, branch: str, path: str) -> str:
    """Where people see every commit that touched a file."""
    return _page(url, HISTORIES, f"{quote(branch)}/{quote(path)}")


def _page(url: str, paths: Mapping[str, str], rest: str) -> str:
    scp = _SCP.fullmatch(url)
    host, path = (scp["host"], scp["path"]) if scp and "://" not in url else _parts(url)
    kind = next((known for known in paths if host == known or host.split(".")[0] == known.split(".")[0]), "")
    if not kind or not path:
        return ""
    return f"https://{host}/{path.strip('/').removesuffix('.git')}/{paths[kind]}/{rest}"


def _parts(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return (parts.hostname or "", parts.path) if parts.scheme in ("ssh", "https", "http", "git") else ("", "")
