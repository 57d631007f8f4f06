"""The page that a browser sees at a podinfo pod, with the ping button that calls /echo."""

from html import escape

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{message} {version}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 34rem; margin: 12vh auto; padding: 0 1rem; text-align: center }}
h1 {{ font-size: 1.6rem; margin-bottom: 0 }}
button {{ font: inherit; padding: .4rem 1.4rem; border-radius: .4rem; border: 1px solid; cursor: pointer }}
pre {{ text-align: left; white-space: pre-wrap; min-height: 4rem }}
</style></head>
<body><main><h1>{message}</h1><p>podinfo {version} · {hostname}</p>
<button id="ping">Ping</button><pre id="answer" aria-live="polite"></pre></main>
<script>
document.getElementById("ping").onclick = async () => {{
  const answer = await fetch("/echo", {{method: "POST", body: JSON.stringify({{ping: new Date().toISOString()}})}});
  document.getElementById("answer").textContent = answer.status + " " + await answer.text();
}};
</script></body></html>
"""


def page(message: str, version: str, hostname: str) -> str:
    return PAGE.format(message=escape(message), version=escape(version), hostname=escape(hostname))
