"""What can be set about git; each with unit, default and reason. Nothing is read from files or environment here."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class GitOptions:
    """Settings shared by the cluster repository and chart mirrors of one process."""

    state: Path
    """Folder for mirrors, exports and key; all of it can be made again. One process at a time."""

    author_name: str = "gitops-canary"
    """Author and committer of our commits."""

    author_email: str = "gitops-canary@localhost"

    push_timeout: float = 12.0
    """Seconds one push may take: shorter than the lease minus renewDeadline (rule O3), so that a lost leader's push cannot land late."""

    fetch_timeout: float = 120.0
    """Seconds one fetch may take, the first (whole history) included."""

    local_timeout: float = 30.0
    """Seconds a git command without network may take."""

    attempts: int = 10
    """How often an edit is run again on a newer head, and a push without reply is repeated."""

    patience: float = 60.0
    """Seconds after which a push without reply is given up for this turn; the caller's next turn looks again."""

    allow_file_urls: bool = False
    """file:// and plain paths: for tests and `validate`; off, since a URL may come from a manifest."""

    max_file_bytes: int = 16 * 2**20
    """Larger files are refused when read: a manifest or chart file of this size is a mistake."""

    max_files: int = 200_000
    """A tree that lists more is refused: nested trees can describe 10^10 files in 10 objects."""

    max_export_bytes: int = 64 * 2**20
    """Larger charts are refused."""

    known_hosts: str = ""
    """Further known_hosts lines (text); the big hosts' keys are built in."""

    username: str = ""
    """For https to the cluster repository's host; the user info in a URL wins."""

    password: str = field(default="", repr=False)
    """Password or token for https; never logged."""

    ca_file: str = ""
    """CA bundle for https with a private CA."""
