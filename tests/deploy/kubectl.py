"""kubectl as an administrator of the server of a test."""

import json
import subprocess
from pathlib import Path
from typing import Any


class Kubectl:
    """Prints what kubectl prints; what is refused is an AssertionError with its words. `docs` go to `-f -`."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def __call__(self, *words: str, docs: Any = None) -> str:
        text = docs if docs is None or isinstance(docs, str) else "\n".join(map(json.dumps, docs))
        command = ["kubectl", "--kubeconfig", str(self._kubeconfig), *words]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout
