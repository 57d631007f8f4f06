"""Moving a tag of ours on the remote (`--sync-state=git`), by lease as everything else."""

from gitops_canary.adapters.git.mirror import Mirror
from gitops_canary.adapters.git.names import check_ref, check_revision
from gitops_canary.domain.errors import Conflict


def move_tag(mirror: Mirror, tag: str, revision: str) -> None:
    """Point `tag` at `revision`; nothing is pushed when it does already. Conflict when somebody else moved it at the same time.
    Damaged when the mirror has lost what the tag would reach."""
    ref = f"refs/tags/{check_ref(tag, 'tag')}"
    check_revision(revision)
    asked = mirror.remote_run(["ls-remote", "--", mirror.remote.text, ref], mirror.options.push_timeout)
    if not asked.ok:
        raise mirror.error("read tags of", asked)
    old = next((line.split()[0] for line in asked.out.decode().splitlines() if line.split()[1:] == [ref]), "")
    if old == revision:
        return
    args = ["push", "--porcelain", "--no-verify", f"--force-with-lease={ref}:{old}", "--", mirror.remote.text, f"{revision}:{ref}"]
    done = mirror.remote_run(args, mirror.options.push_timeout)
    if not done.ok and "stale info" in done.out.decode("utf-8", "replace"):
        raise Conflict(f"cannot move tag {tag} of {mirror.shown_url}: somebody else moved it too")
    if not done.ok:
        raise mirror.damage(done) or mirror.error("push to", done)
