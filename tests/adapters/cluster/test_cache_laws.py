"""Whatever happens to objects and connections, in the end the cache says what the server says."""

import random
from pathlib import Path

import pytest

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.connection import Limits
from tests.adapters.cluster.support import CONFIG_MAP, Proxy, config_map, connect, ref, server_of, through, watching

NAMES = [f"n{number}" for number in range(6)]


def versions(cluster: KubernetesCluster, namespace: str) -> dict[str, str]:
    found = cluster.list(*CONFIG_MAP, namespace)
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found if one["metadata"]["name"] in NAMES}


@pytest.mark.parametrize("seed", range(3))
def test_the_cache_equals_the_server_after_any_history(kubeconfig: Path, namespace: str, tmp_path: Path, seed: int) -> None:
    """Two writers (one of them the cache's owner, writing through), a proxy that cuts and freezes, a watch that is silent too long."""
    chance = random.Random(seed)
    proxy = Proxy(server_of(kubeconfig))
    impatient = Limits(read=2.0, silence=0.5)
    with (
        watching(connect(through(proxy, kubeconfig, tmp_path), impatient), CONFIG_MAP, namespace=namespace) as (watcher, changes),
        watching(connect(kubeconfig)) as (other, _),
        watching(connect(kubeconfig), CONFIG_MAP, namespace=namespace) as (owner, heard),
    ):
        for step in range(120):
            writer = chance.choice((other, owner))
            made = config_map(namespace, chance.choice(NAMES), step=str(step))
            match chance.random():
                case much if much < 0.6:
                    writer.apply(made)
                case much if much < 0.9:
                    writer.delete(ref(made))
                case much if much < 0.95:
                    proxy.freeze()
                case _:
                    proxy.cut()
                    proxy.mend()
        truth = versions(other, namespace)
        changes.until(lambda: versions(watcher, namespace) == truth)
        heard.until(lambda: versions(owner, namespace) == truth)
    proxy.close()
