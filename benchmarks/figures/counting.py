"""A small HTTP proxy in front of one server that counts what passes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3


class Counting:
    """`through(url)` starts it in front of that server and gives its own URL; `count` is the number of requests so far."""

    def __init__(self) -> None:
        self.count = 0
        self._behind = ""
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(retries=False, timeout=10.0)
        counting = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                counting._pass(self, b"")

            def do_POST(self) -> None:
                counting._pass(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the count is all."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def through(self, url: str) -> str:
        self._behind = url.rstrip("/")
        threading.Thread(target=self._server.serve_forever, name="counting-proxy", daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        if self._behind:
            self._server.shutdown()
        self._server.server_close()
        self._http.clear()

    def _pass(self, asked: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._lock:
            self.count += 1
        kept = {name: value for name in ("Content-Type", "Accept", "If-None-Match") if (value := asked.headers.get(name))}
        try:
            answer = self._http.request(asked.command, self._behind + asked.path, body=body or None, headers=kept)
            status, data = answer.status, answer.data
            passed = {name: value for name in ("Content-Type", "ETag", "Link") if (value := answer.headers.get(name))}
        except urllib3.exceptions.HTTPError as error:
            status, data, passed = 502, str(error).encode(), {"Content-Type": "text/plain"}
        asked.send_response(status)
        for name, value in passed.items():
            asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(data)))
        asked.end_headers()
        asked.wfile.write(data)


@contextmanager
def counting() -> Iterator[Counting]:
    proxy = Counting()
    try:
        yield proxy
    finally:
        proxy.close()
