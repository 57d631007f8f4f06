"""`python -m tests.migration.helm3 KUBECONFIG NAME VALUES`: installs the template's podinfo chart as Helm 3 did, by client-side updates.

A program of its own, because the SDK must never be loaded in a process that forks."""

import json
import sys

from helm_python import Chart, HelmContext

from gitops_canary.adapters.helm.messages import Work
from gitops_canary.adapters.helm.sdk import TunedConfig
from gitops_canary.sandbox.data import folder


def main(kubeconfig: str, name: str, values: str) -> None:
    chart = str(folder("repo-template") / "charts" / "podinfo")
    work = Work("install", name, "test", chart, json.loads(values))
    options = {"namespace": "test", "timeout_seconds": 60, "wait": "hookOnly", "server_side_apply": False}
    with TunedConfig(kubeconfig_path=kubeconfig, namespace="test") as config, Chart.load(chart) as loaded, HelmContext() as context:
        print(json.dumps(config.apply("helm_install", loaded, work, options, context)))


if __name__ == "__main__":
    main(*sys.argv[1:])
