"""Small charts on disk, as the tests want them."""

from pathlib import Path

from gitops_canary.ports import Chart

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  colour: {{ .Values.colour | quote }}
"""
PAIR = """\
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: "{{ .Release.Name }}"}
  ports: [{port: 80}]
"""
HANGING_HOOK = """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  containers: [{name: hook, image: nobody-runs-this}]
"""


def chart(folder: Path, *, version: str = "1.0.0", files: dict[str, str] | None = None, values: str = "colour: blue\n") -> Chart:
    """A chart named `small` with the given templates (a ConfigMap unless said otherwise)."""
    templates = {"config.yaml": CONFIG_MAP} if files is None else files
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: small\nversion: {version}\n")
    (folder / "values.yaml").write_text(values)
    for name, text in templates.items():
        (folder / "templates" / name).write_text(text)
    return Chart(f"{folder}-{version}", str(folder), version)
