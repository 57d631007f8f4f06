"""What containers find on their PATH besides the host's programs: the product itself, and curl, watch and hey as the guide uses them."""

import os
import shutil
import sys
from pathlib import Path

PRODUCT = """#!/bin/sh
exec {python} -m gitops_canary "$@"
"""
# hey takes its proxy only as an option; the mesh is how names resolve in a pod.
HEY = """#!/bin/sh
exec {hey} ${{http_proxy:+-x "$http_proxy"}} "$@"
"""
WATCH = """#!/bin/sh
pause=2
while [ $# -gt 0 ]; do
  case "$1" in
    -n|--interval) pause=$2; shift 2 ;;
    -n*) pause=${1#-n}; shift ;;
    -*) shift ;;
    *) break ;;
  esac
done
while :; do "$@"; echo; sleep "$pause"; done
"""
CURL = """#!{python}
import argparse, sys, urllib.error, urllib.request
parser = argparse.ArgumentParser(prog="curl")
parser.add_argument("url")
parser.add_argument("-X", "--request")
parser.add_argument("-d", "--data", "--data-raw")
parser.add_argument("-H", "--header", action="append", default=[])
parser.add_argument("-o", "--output")
parser.add_argument("-m", "--max-time", type=float, default=60)
parser.add_argument("--retry", type=int, default=0)
for flag in ("-s", "-S", "-f", "-i", "-v", "-k", "-L"):
    parser.add_argument(flag, action="store_true")
for flag in ("--silent", "--show-error", "--fail", "--retry-connrefused", "--insecure", "--location"):
    parser.add_argument(flag, action="store_true")
given = parser.parse_args()
url = given.url if "://" in given.url else "http://" + given.url
headers = dict(header.split(":", 1) for header in given.header)
data = given.data.encode() if given.data is not None else None
request = urllib.request.Request(url, data, headers, method=given.request)
for attempt in range(given.retry + 1):
    try:
        with urllib.request.urlopen(request, timeout=given.max_time) as answer:
            body, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        body, status = error.read(), error.code
    except OSError as error:
        body, status = str(error).encode(), 0
    if 0 < status < 500:
        break
failed = status == 0 or (status >= 400 and (given.f or given.fail))
if failed:
    sys.exit(f"curl: ({{22 if status else 7}}) {{status or body.decode()}}")
out = open(given.output, "wb") if given.output else sys.stdout.buffer
out.write(body)
"""


def write_shims(folder: Path) -> None:
    """Fills `folder`; curl and watch only where the host has none."""
    folder.mkdir(parents=True, exist_ok=True)
    _script(folder / "gitops-canary", PRODUCT.format(python=sys.executable))
    if hey := shutil.which("hey"):
        _script(folder / "hey", HEY.format(hey=hey))
    if not shutil.which("curl"):
        _script(folder / "curl", CURL.format(python=sys.executable))
    if not shutil.which("watch"):
        _script(folder / "watch", WATCH)


def path_with(folder: Path) -> str:
    return f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
