"""A `hey` command line, read without a shell."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.loadtester.hey import Load, read_load

READ = {
    "hey -z 1m -q 10 -c 2 http://podinfo.test:9898/": Load("http://podinfo.test:9898/", workers=2, rate=10, duration=60),
    "hey -z 1m -q 5 -c 2 -m POST -d test http://frontend.test:9898/echo": Load(
        "http://frontend.test:9898/echo", workers=2, rate=5, duration=60, method="POST", body="test"
    ),
    "hey --n=7 -c=7 -t 0 'https://a.b/?x=1&y=2'": Load("https://a.b/?x=1&y=2", requests=7, workers=7, timeout=0),
    'hey -H "X-A: 1" -H "X-B: two words" -host h -T text/plain -A "*/*" http://a/': Load(
        "http://a/", headers=(("X-A", "1"), ("X-B", "two words"), ("Accept", "*/*"), ("Content-Type", "text/plain"), ("Host", "h"))
    ),
    "hey -a ann:secret http://a/": Load("http://a/", headers=(("Authorization", "Basic YW5uOnNlY3JldA=="),)),
    "hey -disable-keepalive -disable-compression -disable-redirects -cpus 2 -o csv http://a/": Load(
        "http://a/", keep_alive=False, compress=False, redirects=False
    ),
    "hey -z 1h30m http://a/": Load("http://a/", duration=5400),
}


@pytest.mark.parametrize(("command", "expected"), READ.items(), ids=list(READ))
def test_a_load_is_read_from_heys_flags(command: str, expected: Load) -> None:
    assert read_load(command) == expected


REFUSED = {
    "hey": "one http:// or https:// URL",
    "hey ftp://a/": "one http:// or https:// URL",
    "hey http://a/ | tee x": "without shell syntax",
    "hey http://a/ http://b/": "one http:// or https:// URL",
    "hey -z soon http://a/": "is not a duration",
    "hey -q ten http://a/": "could not convert",
    "hey -c 501 http://a/": "-c 501 is not between 1 and 500",
    "hey -n 0 http://a/": "-n 0 is not between",
    "hey -D /etc/passwd http://a/": "bodies are not read from files",
    "hey -h2 http://a/": "HTTP/2 is not spoken",
    "hey -y http://a/": "hey has no such flag",
    "hey -m BREW http://a/": "-m BREW is none of",
    "hey -H nocolon http://a/": "-H is not written as",
    "hey -z": "its value is missing",
    "hey 'http://a/": "No closing quotation",
}


@pytest.mark.parametrize(("command", "words"), REFUSED.items(), ids=list(REFUSED))
def test_what_hey_would_not_take_is_refused_by_name(command: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_load(command)


@given(st.text(max_size=80))
def test_any_text_is_a_load_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        assert read_load(f"hey {text}").workers <= 500
