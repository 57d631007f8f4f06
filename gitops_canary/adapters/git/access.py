"""Whether the key may read and write, asked without leaving anything behind."""

from gitops_canary.adapters.git.failures import diagnose
from gitops_canary.adapters.git.mirror import Mirror


def check_access(mirror: Mirror, branch: str, head: str) -> None:
    """UserError when the key may not write, Unavailable when that cannot be told now. Reading was shown by the fetch of `head`.

    A dry run makes the host start its receiving side (`git-receive-pack`; over https `info/refs?service=git-receive-pack`), where hosting
    services refuse a key or token that may only read; then it sends no command. Flux pushed a tag and deleted it again, which left tags
    behind on time-outs. What a dry run cannot see, a protected branch or a hook, is said by the first real push."""
    ref = f"refs/heads/{branch}"
    args = ["push", "--dry-run", "--porcelain", "--no-verify", "--", mirror.remote.text, f"{head}:{ref}"]
    done = mirror.remote_run(args, mirror.options.push_timeout)
    moved = diagnose(done.err) is None and any(line.startswith(b"!") for line in done.out.splitlines())
    if not (done.ok or moved):  # moved: somebody pushed since the fetch; the receiving side did answer
        raise mirror.error("push to", done, f"branch {branch}")
