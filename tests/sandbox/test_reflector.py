"""Claims about the sandbox's own client; what its copies are used for is told beside the node and the mesh."""

import asyncio
from pathlib import Path

import orjson

from gitops_canary.sandbox.kube import Kube, Reflector


def test_a_reflector_ends_without_a_word_when_its_client_is_closed(tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(_closed_while_it_asks(_kubeconfig(tmp_path)), 20))


async def _closed_while_it_asks(kubeconfig: Path) -> None:
    kube = Kube(kubeconfig)
    await kube.open()
    following = asyncio.create_task(Reflector(kube, ["/api/v1/pods"], print).run())
    await kube.close()  # before the task's first step: its request finds the session closed
    await following


def _kubeconfig(folder: Path) -> Path:
    file = folder / "kubeconfig"
    one = {"name": "x", "cluster": {"server": "http://127.0.0.1:1"}, "user": {}, "context": {"cluster": "x", "user": "x"}}
    file.write_bytes(orjson.dumps({"current-context": "x", "clusters": [one], "users": [one], "contexts": [one]}))
    return file
