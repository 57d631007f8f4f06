"""Web addresses of commits, from the URL that git uses; nothing is asked."""

import re
from urllib.parse import urlsplit

PATHS = {"github.com": "commit", "gitlab.com": "-/commit", "bitbucket.org": "commits"}
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)(?P<path>.+)")


def commit_link(url: str, revision: str) -> str:
    """Where people see the commit; "" for hosts whose pages are not known. `gitlab.…` and `github.…` of one's own count as such."""
    scp = _SCP.fullmatch(url)
    host, path = (scp["host"], scp["path"]) if scp and "://" not in url else _parts(url)
    kind = next((known for known in PATHS if host == known or host.split(".")[0] == known.split(".")[0]), "")
    if not kind or not path:
        return ""
    return f"https://{host}/{path.strip('/').removesuffix('.git')}/{PATHS[kind]}/{revision}"


def _parts(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return (parts.hostname or "", parts.path) if parts.scheme in ("ssh", "https", "http", "git") else ("", "")
