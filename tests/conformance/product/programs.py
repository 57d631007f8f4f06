"""Stock programs that stories are told with, where they are, and short names for the kinds that stories ask for."""

import contextlib
import shutil
from typing import Literal

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.control_plane import binaries

KINDS = {
    "deployment": "apps/v1/Deployment",
    "service": "v1/Service",
    "configmap": "v1/ConfigMap",
    "namespace": "v1/Namespace",
    "canary": "flagger.app/v1beta1/Canary",
    "hpa": "autoscaling/v2/HorizontalPodAutoscaler",
    "virtualservice": "networking.istio.io/v1beta1/VirtualService",
    "destinationrule": "networking.istio.io/v1beta1/DestinationRule",
    "helmrelease": "flux.weave.works/v1beta1/HelmRelease",
}


def program(name: Literal["kubectl", "helm"]) -> str:
    """The one that the control plane's build made, or the one on PATH."""
    with contextlib.suppress(UserError):
        built = binaries.find()
        if (path := built.kubectl if name == "kubectl" else built.helm) is not None:
            return str(path)
    found = shutil.which(name)
    assert found, f"the product's stories need {name}: make control-plane builds it"
    return found
