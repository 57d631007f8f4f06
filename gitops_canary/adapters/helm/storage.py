"""Helm's own records, edited where Helm has no verb for it: a revision that was left `pending-…` becomes `failed` (rule H2)."""

import base64
import gzip
import io
from typing import Protocol

import orjson

from gitops_canary.adapters.helm.messages import Reply, revision
from gitops_canary.domain.errors import Conflict, GitopsCanaryError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import HelmJob

RECORD_LIMIT = 64 * 2**20
"""Bytes of an unpacked record: a Secret holds at most 1 MiB, packed."""


class Patcher(Protocol):
    """The part of ports.Cluster that is needed."""

    def patch(self, ref: Ref, patch: Doc, *, subresource: str = "", resource_version: str = "", as_user: str = "") -> Doc: ...


class ReleaseRecords:
    """Helm's release Secrets `sh.helm.release.v1.<name>.v<number>`."""

    def __init__(self, cluster: Patcher) -> None:
        self._cluster = cluster

    def mark_failed(self, job: HelmJob) -> Reply:
        """Mark revision `options["version"]` failed if it is still pending; ok and unchanged when it is not."""
        number = int(str(job.options["version"]))
        ref = Ref("v1", "Secret", job.namespace, f"sh.helm.release.v1.{job.release}.v{number}")
        try:
            # An empty patch changes nothing and answers with the object: reading needs no right that writing does not need.
            live = self._cluster.patch(ref, {}, as_user=job.as_user)
            record = unpack(live["data"]["release"])
            status = str(record["info"]["status"])
            if not status.startswith("pending-"):
                return Reply(True, f"revision {number} is {status} already", _described(record))
            record["info"] |= {"status": "failed", "description": str(job.options.get("description", "it was never finished"))}
            change = {"data": {"release": pack(record)}, "metadata": {"labels": {"status": "failed"}}}
            self._cluster.patch(ref, change, resource_version=live["metadata"]["resourceVersion"], as_user=job.as_user)
        except Conflict:
            return Reply(False, f"cannot mark revision {number} of {job.release} failed: somebody is writing it")
        except (GitopsCanaryError, KeyError, ValueError, OSError) as error:
            return Reply(False, f"cannot mark revision {number} of {job.release} in {job.namespace} failed: {error}")
        return Reply(True, f"revision {number} was {status} and is failed now", _described(record))


def unpack(data: str) -> Doc:
    """base64 (the API's) of base64 (Helm's) of gzip of JSON. ValueError when it is larger than any Secret can be."""
    with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(base64.b64decode(data)))) as packed:
        text = packed.read(RECORD_LIMIT + 1)
    if len(text) > RECORD_LIMIT:
        raise ValueError("its record is too large")
    record: Doc = orjson.loads(text)
    return record


def pack(record: Doc) -> str:
    return base64.b64encode(base64.b64encode(gzip.compress(orjson.dumps(record), mtime=0))).decode()


def _described(record: Doc) -> Doc:
    chart = record["chart"]["metadata"]
    return revision(record["version"], record["info"]["status"], f"{chart['name']}-{chart['version']}", values=record.get("config"))
