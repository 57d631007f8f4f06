"""docs/migrate.md, command by command, with stand-ins of the three; what serves is still there when they are gone."""

import json
from pathlib import Path

import pytest

from tests.deploy.pages import MIGRATE, of_section, reader

STAND_INS = """
stand_in() {
  mkdir -p old/$1/templates
  printf 'apiVersion: v2\\nname: %s\\nversion: 0.1.0\\n' $1 > old/$1/Chart.yaml
  kubectl create deployment $1 --image stefanprodan/podinfo:3.1.0 --dry-run=client -o yaml > old/$1/templates/deployment.yaml
  shift
  for crd in "$@"; do
    kubectl get crd $crd -o json | jq 'del(.status, .metadata.managedFields, .metadata.uid, .metadata.resourceVersion)' > old/crd.json
    kubectl create --dry-run=client -o yaml -f old/crd.json > old/$name/templates/$crd.yaml
    kubectl delete crd $crd
  done
  helm upgrade -i $name old/$name --namespace $namespace --create-namespace
}
name=flux namespace=fluxcd stand_in flux
name=helm-operator namespace=fluxcd stand_in helm-operator helmreleases.helm.fluxcd.io
name=flagger namespace=istio-system stand_in flagger canaries.flagger.app
kubectl wait --for=condition=Established crd/canaries.flagger.app crd/helmreleases.helm.fluxcd.io
ssh-keygen -q -t ed25519 -N '' -C flux -f old/key
kubectl --namespace fluxcd create secret generic flux-git-deploy --from-file=identity=old/key
cp old/key.pub ${DEPLOY_KEYS}/flux.pub
kubectl create namespace test
"""
CANARY = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "mine", "namespace": "test"},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mine"},
        "service": {"port": 9898},
        "analysis": {"interval": "1m", "threshold": 1, "stepWeight": 10},
    },
}


@pytest.mark.control_plane
@pytest.mark.parametrize("control_plane", ["sandbox", "real"])
def test_every_command_of_the_page_runs_and_the_definitions_outlive_the_three(control_plane: str, tmp_path: Path) -> None:
    with reader(tmp_path, control_plane, "migrate.md") as person:
        person.run(STAND_INS)
        (tmp_path / "home" / "mine.json").write_text(json.dumps(CANARY))
        person.run("kubectl apply -f mine.json")
        person.follow(iter(of_section(MIGRATE, "## In which order")))
        left = "kubectl get canary/mine --namespace test -o name; kubectl get crd helmreleases.helm.fluxcd.io -o name"
        assert person.run(left) == [
            "canary.flagger.app/mine",
            "customresourcedefinition.apiextensions.k8s.io/helmreleases.helm.fluxcd.io",
        ]
        assert person.run("helm list --all-namespaces --short") == ["gitops-canary"]
        gone = "kubectl get deployment --namespace fluxcd -o name; kubectl get deployment --namespace istio-system -o name"
        assert [line for line in person.run(gone) if "deployment" in line] == []
