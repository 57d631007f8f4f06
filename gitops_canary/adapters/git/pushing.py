"""One push with its lease, and what its outcome means. Which commit, and what to do next, is the repository's."""

from collections.abc import Callable
from enum import Enum

from gitops_canary.adapters.git.commands import Result
from gitops_canary.adapters.git.failures import Kind, diagnose
from gitops_canary.adapters.git.mirror import Mirror


class Outcome(Enum):
    LANDED = "the remote has it"
    REFUSED = "the branch is not where we thought: fetch, edit again"
    LOST = "no reply: it may have landed, or land yet"


# What a server says when somebody else was quicker between its advertisement and its lock.
_RACES = (
    "stale info",
    "fetch first",
    "non-fast-forward",
    "failed to update ref",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value",
    "reference already exists",
)


def push(mirror: Mirror, commit: str, branch: str, head: str, gate: Callable[[], None]) -> Outcome:
    """Push `commit`, a child of `head`, so that it lands only while the branch stands at `head` (rule G3). Raises UserError or Unavailable
    when the other side certainly did not take it and another try will not help now. `gate` may raise: no push starts without it."""
    gate()
    ref = f"refs/heads/{branch}"
    args = ["push", "--porcelain", "--no-verify", f"--force-with-lease={ref}:{head}", "--", mirror.remote.text, f"{commit}:{ref}"]
    done = mirror.remote_run(args, mirror.options.push_timeout)
    if done.timed_out:
        mirror.transport.drop(mirror.remote)  # it may hang; a new connection may not
        return Outcome.LOST
    return read_outcome(mirror, done)


def read_outcome(mirror: Mirror, done: Result) -> Outcome:
    """Porcelain lines are `flag TAB from:to TAB summary (reason)`; `=` is a commit that had landed before, `+` one whose parent our mirror
    has lost (the lease held, and the commit was made on what the branch stood at). Damaged when it cannot be read from the mirror."""
    for line in done.out.decode("utf-8", "replace").splitlines():
        flag, _, rest = line.partition("\t")
        if "\t" not in rest:
            continue
        if flag in (" ", "+", "*", "="):
            return Outcome.LANDED if done.status == 0 or flag == "=" else Outcome.LOST
        if flag == "!" and any(race in rest for race in _RACES):
            return Outcome.REFUSED
        if flag == "!" and "remote failed to report status" in rest:
            return Outcome.LOST
        if flag == "!":
            refused = Result(done.status, b"", f"{done.err}\nremote: {rest.partition(chr(9))[2]}", reached=done.reached)
            raise mirror.damage(refused) or mirror.error("push to", refused, "branch")
    failure = diagnose(done.err)
    if done.reached and failure and failure.kind is Kind.LOST:
        return Outcome.LOST
    raise mirror.damage(done) or mirror.error("push to", done, "branch")
