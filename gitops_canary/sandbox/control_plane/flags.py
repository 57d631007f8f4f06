"""The command lines of etcd, kube-apiserver and kube-controller-manager for a plane on loopback; starts nothing."""

from dataclasses import dataclass
from pathlib import Path

from gitops_canary.sandbox.control_plane.binaries import Binaries
from gitops_canary.sandbox.control_plane.credentials import ISSUER, Credentials

CONTROLLERS = (
    "clusterrole-aggregation-controller",  # fills the ClusterRole `admin` that a one-namespace install's applier is bound to
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)
"""The endpoint controllers are left out: pods live on loopback addresses, which EndpointSlices refuse, and they would retry for ever."""


@dataclass(frozen=True)
class Ports:
    etcd: int
    etcd_peer: int
    apiserver: int


def etcd(programs: Binaries, folder: Path, ports: Ports) -> list[str]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        str(programs.etcd),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data dies with the fixture
        "--log-level=error",
    ]


def apiserver(programs: Binaries, folder: Path, ports: Ports, keys: Credentials, extra: tuple[str, ...] = ()) -> list[str]:
    return [
        str(programs.apiserver),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        f"--cert-dir={folder}",
        f"--tls-cert-file={keys.server_certificate}",
        f"--tls-private-key-file={keys.server_key}",
        f"--token-auth-file={keys.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={keys.account_public_key}",
        f"--service-account-signing-key-file={keys.account_key}",
        "--service-cluster-ip-range=10.0.0.0/16",
        # Pods run without mounted tokens: the stand-in node has no volumes.
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        # Written before the answer goes out, so that a count taken after the answer has it.
        "--audit-log-mode=blocking",
        "--profiling=false",
        *extra,
    ]


def controller_manager(programs: Binaries, keys: Credentials, kubeconfig: Path) -> list[str]:
    return [
        str(programs.controller_manager),
        f"--kubeconfig={kubeconfig}",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--secure-port=0",
        f"--service-account-private-key-file={keys.account_key}",
        f"--root-ca-file={keys.ca}",
        "--horizontal-pod-autoscaler-sync-period=2s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=5s",
        f"--controllers={','.join(CONTROLLERS)}",
    ]
