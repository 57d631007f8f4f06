"""One notice of every alert, as the operator words them; the receivers' payloads are judged and drawn from these."""

from gitops_canary.ports import Notice

COMMIT = "https://git.example.com/cluster/commit/4f1d2c7a9be0"
RUN = (
    ("From", "registry.example.com/podinfo:3.1.0"),
    ("To", "registry.example.com/podinfo:3.1.1"),
    ("Changed", "image of container podinfo"),
)
REASON = "success rate 62.50% < 99%"


def of_run(kind: str, severity: str, text: str, *facts: tuple[str, str], link: str = "") -> Notice:
    return Notice(f"test.frontend-7/{kind}", severity, "frontend.test", text, (*RUN, *facts), link)  # type: ignore[arg-type]


ALERTS = {
    "initialized": Notice("test.frontend-0/initialized", "info", "frontend.test", "New Deployment detected, initialization completed.", ()),
    "started": of_run("started", "info", "New revision detected, progressing canary analysis.", ("Weight", "0%")),
    "halted": of_run("halted", "warn", f"Halt frontend.test advancement {REASON}", ("Weight", "15%"), ("Failed checks", "3 of 10")),
    "waiting": of_run("waiting", "warn", "Halt frontend.test advancement waiting for promotion approval gate", ("Weight", "50%")),
    "promoted": of_run("result", "info", "Canary analysis completed successfully, promotion finished.", ("Weight", "50%"), link=COMMIT),
    "rolled back": of_run("result", "error", f"Canary failed, rolled back: {REASON}", ("Weight", "15%"), link=COMMIT),
    "release failed": Notice(
        "release/test/frontend/failed",
        "error",
        "Release frontend failed",
        'cannot upgrade frontend: Deployment.apps "frontend" is invalid: spec.selector: Invalid value: field is immutable',
        (("HelmRelease", "test/frontend"), ("Namespace", "test"), ("Release", "frontend")),
    ),
}
