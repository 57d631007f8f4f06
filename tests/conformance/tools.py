"""Stock command-line tools run against the server of a test."""

import json
import subprocess
from typing import Any

from tests.conformance.client import Api, Doc


class Kubectl:
    """Runs kubectl in the test's namespace; what it prints comes back as text."""

    def __init__(self, binary: str, api: Api) -> None:
        self._binary, self._api = binary, api

    def run(self, *arguments: str, input: Any = None) -> subprocess.CompletedProcess[str]:
        text = json.dumps(input) if input is not None else None
        command = [self._binary, "--kubeconfig", str(self._api.kubeconfig), "-n", self._api.ns, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str, input: Any = None) -> str:
        ran = self.run(*arguments, input=input)
        assert ran.returncode == 0, f"kubectl {' '.join(arguments)}: {ran.stderr}"
        return ran.stdout

    def get(self, *arguments: str) -> Doc:
        found: Doc = json.loads(self("get", *arguments, "-o", "json"))
        return found
