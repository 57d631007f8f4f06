"""A target for scrapes whose counters move at every scrape; real and embedded Prometheus are judged by it alike."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

BUCKETS = {"5": 50, "10": 98, "25": 100, "+Inf": 100}
"""Requests a scrape that took so many milliseconds at most: the 99th percentile lies in the middle of 10 to 25."""


class Exposition(ThreadingHTTPServer):
    """A target whose counters move at every scrape, and the http_sd document that names it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scrapes = 0
        self.scraped = threading.Condition()

    def await_scrapes(self, count: int) -> None:
        with self.scraped:
            assert self.scraped.wait_for(lambda: self.scrapes >= count, timeout=20)


class Handler(BaseHTTPRequestHandler):
    server: Exposition

    def do_GET(self) -> None:
        body = self.targets() if self.path == "/targets" else self.samples()
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if self.path == "/targets" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def targets(self) -> bytes:
        return orjson.dumps(
            [{"targets": [f"127.0.0.1:{self.server.server_port}"], "labels": {"pod": "frontend-1", "__metrics_path__": "/m"}}]
        )

    def samples(self) -> bytes:
        with self.server.scraped:
            self.server.scrapes += 1
            self.server.scraped.notify_all()
            scrapes = self.server.scrapes
        counts = (("frontend", "200", 6), ("frontend", "500", 4), ("broken", "503", 5))
        lines = [f'istio_requests_total{{{_of(name)},response_code="{code}"}} {scrapes * step}' for name, code, step in counts]
        name = f"istio_request_duration_milliseconds_bucket{{{_of('frontend')}"
        lines += [f'{name},le="{most}"}} {scrapes * count}' for most, count in BUCKETS.items()]
        return "\n".join([*lines, f'own{{pod="mine"}} {scrapes}', ""]).encode()

    def log_message(self, format: str, *arguments: object) -> None: ...


def _of(workload: str) -> str:
    return f'reporter="destination",destination_workload_namespace="test",destination_workload="{workload}"'


@contextmanager
def exposition() -> Iterator[Exposition]:
    with Exposition() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
