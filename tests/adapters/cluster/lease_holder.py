"""A process that wants to lead: asks for the Lease, and while it leads writes its name on a ConfigMap, each time from a fresh read."""

import sys
import threading
from pathlib import Path

from gitops_canary.adapters.clock import SystemClock
from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.leadership import LeaseLeadership
from gitops_canary.adapters.cluster.lease import Timing
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.domain.resources import Ref
from tests.adapters.cluster.support import connect

TIMING = Timing(duration=4, deadline=2.5, retry=0.3)
PAUSE = threading.Event()


def main(kubeconfig: str, namespace: str, identity: str) -> None:
    clock, log, connection = SystemClock(), make_log(), connect(Path(kubeconfig))
    leadership = LeaseLeadership(connection, clock, log, namespace=namespace, identity=identity, timing=TIMING)
    cluster = KubernetesCluster(connection, log, guard=leadership.guard)
    due = 0.0
    while not leadership.lost():
        if clock.now().mono >= due:
            due = leadership.step(clock.now())
        write(cluster, namespace, identity)
        PAUSE.wait(0.02)


def write(cluster: KubernetesCluster, namespace: str, identity: str) -> None:
    ref = Ref("v1", "ConfigMap", namespace, "ledger")
    try:
        seen = cluster.live(ref)
        if seen is not None:
            patch = {"metadata": {"annotations": {"by": identity}}}
            cluster.patch(ref, patch, resource_version=seen["metadata"]["resourceVersion"])
    except GitopsCanaryError:
        # Not the leader, or somebody else was quicker: that is what the test is about.
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
