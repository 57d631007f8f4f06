"""Helm as a program on PATH, for platforms that have no wheel of the SDK; the same jobs, the same replies."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gitops_canary.adapters.helm.messages import Reply, Work, capped, revision
from gitops_canary.domain.errors import UserError

SLACK = 60.0
"""Seconds that a command may take beyond Helm's own time limit."""
OUTPUT_LIMIT = 32 * 2**20


def choose_backend() -> str:
    """HELM_BIN when it is set, `sdk` when helm-python-sdk is installed, else `helm` on PATH; UserError when there is none of them."""
    if os.environ.get("HELM_BIN") or not importlib.util.find_spec("helm_python"):
        return find_binary()
    return "sdk"


def find_binary() -> str:
    """HELM_BIN, or `helm` on PATH. UserError when there is neither."""
    found = os.environ.get("HELM_BIN") or shutil.which("helm")
    if not found:
        raise UserError("cannot run Helm: there is no `helm` on PATH", hint="install gitops-canary[helm], or set HELM_BIN")
    return found


class BinaryBackend:
    """One command an action. `kubeconfig` "" means Helm's usual search."""

    def __init__(self, kubeconfig: str = "", binary: str = "") -> None:
        self._binary = binary or find_binary()
        self._kubeconfig = kubeconfig
        self._process: subprocess.Popen[bytes] | None = None
        self.major = self._major()

    def run(self, work: Work) -> Reply:
        try:
            return getattr(self, "_" + work.action)(work)  # type: ignore[no-any-return]
        except _Failed as failed:
            return Reply(False, capped(str(failed)))

    def cancel(self) -> None:
        """Helm takes an interrupt as "stop waiting" and marks the revision failed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def _major(self) -> int:
        said = subprocess.run([self._binary, "version", "--short"], capture_output=True, text=True, timeout=30, check=False).stdout
        number = re.match(r"v(\d+)", said)
        if not number or int(number[1]) < 3:
            raise UserError(f"cannot use {self._binary}: it says it is Helm {said.strip() or 'of no version'}", hint="install Helm 4")
        return int(number[1])

    def _install(self, work: Work) -> Reply:
        return self._apply(work, ["install", *(["--skip-crds"] if work.options.get("skip_crds") else [])])

    def _upgrade(self, work: Work) -> Reply:
        words = ["upgrade", f"--history-max={work.max_history}", "--reuse-values" if work.options.get("reuse_values") else "--reset-values"]
        return self._apply(work, words)

    def _apply(self, work: Work, words: Sequence[str]) -> Reply:
        flags = ["--disable-openapi-validation", "--output=json", *self._limits(work), *self._force(work)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
            json.dump(work.values, values)
            values.flush()
            try:
                said = self._helm(work, [*words, *flags, f"--values={values.name}", "--", work.release, work.chart])
            except _Failed as failed:
                return Reply(False, capped(str(failed)), history=self._revisions(work))
        made = json.loads(said)
        chart = made["chart"]["metadata"]
        info = made["info"]
        name = f"{chart['name']}-{chart['version']}"
        done = revision(made["version"], info["status"], name, values=work.values, updated=info.get("last_deployed"))
        return Reply(True, capped(str(info.get("description", ""))), done)

    def _rollback(self, work: Work) -> Reply:
        version = [str(work.options["version"])] if work.options.get("version") else []
        flags = [f"--history-max={work.max_history}", *(["--no-hooks"] if work.options.get("disable_hooks") else []), *self._force(work)]
        return self._then_history(work, ["rollback", *flags, *self._limits(work), "--", work.release, *version])

    def _force(self, work: Work) -> list[str]:
        if self.major >= 4:
            return ["--force-replace", "--server-side=false"] if work.options.get("force") else ["--force-conflicts", "--server-side=true"]
        return ["--force"] if work.options.get("force") else []

    def _test(self, work: Work) -> Reply:
        return self._then_history(work, ["test", "--logs", f"--timeout={int(work.timeout)}s", "--", work.release])

    def _uninstall(self, work: Work) -> Reply:
        self._helm(work, ["uninstall", "--ignore-not-found", f"--timeout={int(work.timeout)}s", "--", work.release])
        return Reply(True)

    def _history(self, work: Work) -> Reply:
        revisions = self._revisions(work)
        if revisions:
            last = revisions[-1]
            said = self._helm(work, ["get", "values", "--output=json", f"--revision={last['number']}", "--", work.release])
            last["values"] = json.loads(said) or {}
        return Reply(True, history=revisions)

    def _render(self, work: Work) -> Reply:
        """What the chart makes, without a cluster, by template."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
            json.dump(work.values, values)
            values.flush()
            said = self._helm(work, ["template", f"--values={values.name}", "--", work.release, work.chart])
        return Reply(True, texts=_by_template(said))

    def _pull(self, work: Work) -> Reply:
        """A chart from an OCI registry into `options["into"]`; the password goes by standard input, never as an argument."""
        options = work.options
        plain = ["--plain-http"] if options.get("plain_http") else []
        with tempfile.TemporaryDirectory() as folder:
            config = f"--registry-config={folder}/login.json"
            if options.get("username"):
                words = ["registry", "login", config, *plain, f"--username={options['username']}", "--password-stdin"]
                self._helm(work, [*words, "--", urlsplit(work.chart).netloc], str(options["password"]))
            version = [f"--version={options['version']}"] if options.get("version") else []
            self._helm(work, ["pull", config, *plain, *version, f"--destination={options['into']}", "--", work.chart])
        return Reply(True)

    def _then_history(self, work: Work, words: Sequence[str]) -> Reply:
        try:
            said = self._helm(work, words)
        except _Failed as failed:
            return Reply(False, capped(str(failed)), history=self._revisions(work))
        return Reply(True, capped(said), history=self._revisions(work))

    def _revisions(self, work: Work) -> list[dict[str, Any]]:
        try:
            said = self._helm(work, ["history", "--max=256", "--output=json", "--", work.release])
        except _Failed as failed:
            if "not found" in str(failed):
                return []
            raise
        return sorted((_entry(entry) for entry in json.loads(said)), key=lambda entry: entry["number"])

    def _limits(self, work: Work) -> list[str]:
        waiting = [("--wait=watcher" if self.major >= 4 else "--wait")] if work.wait else []
        return [f"--timeout={int(work.timeout)}s", *waiting]

    def _helm(self, work: Work, words: Sequence[str], given: str = "") -> str:
        command = [self._binary, "--qps=500", "--burst-limit=1000"]
        command += [f"--namespace={work.namespace}"] if work.namespace else []
        command += [f"--kubeconfig={self._kubeconfig}"] if self._kubeconfig else []
        command += [f"--kube-as-user={work.as_user}"] if work.as_user else []
        self._process = subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = self._process.communicate(given.encode(), timeout=work.timeout + SLACK)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise _Failed(f"helm {words[0]} took longer than {work.timeout + SLACK:.0f} s") from None
        finally:
            status, self._process = self._process.returncode, None
        if status != 0:
            raise _Failed(_sentence(err.decode("utf-8", "replace")))
        return out[:OUTPUT_LIMIT].decode("utf-8", "replace")


def _by_template(said: str) -> dict[str, str]:
    """Helm heads each document with a comment that names its template."""
    found: dict[str, str] = {}
    for text in re.split(r"^---\s*$", said, flags=re.MULTILINE):
        source = re.search(r"^# Source: (\S+)$", text, re.MULTILINE)
        if source:
            found[source[1]] = f"{found[source[1]]}\n---\n{text}" if source[1] in found else text
    return found


class _Failed(Exception):
    """Helm's own sentence."""


def _sentence(err: str) -> str:
    """What follows the last "Error:"; Helm warns above it."""
    return err.rpartition("Error: ")[2].strip() or "helm failed without a word"


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return revision(entry["revision"], entry["status"], entry["chart"], description=entry.get("description"), updated=entry.get("updated"))
