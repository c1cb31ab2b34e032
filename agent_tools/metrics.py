"""Numbers of this process for Prometheus: calls of tools, jobs, and the queue of the store it uses.

Needs the extra `metrics`. The store and the server give their own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from agent_tools.errors import ModelMissing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CALL_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
JOB_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0)


class NoMetrics:
    """What counts nothing."""

    def call(self, tool: str, outcome: str, took_s: float) -> None: ...

    def job(self, outcome: str, took_s: float) -> None: ...


NO_METRICS = NoMetrics()


class Metrics(NoMetrics):
    """The numbers of one process, in a registry of their own.

    Args:
        gauges: asked at each reading for numbers by name, such as those of the queue; see GAUGES.

    Raises: ModelMissing: the extra is not installed."""

    def __init__(self, gauges: Callable[[], Mapping[str, float]] | None = None) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise ModelMissing(
                f"Metrics need a package that is not installed ({error}). Install it with: pip install "
                '"agent-tools-video[metrics]"'
            ) from error
        self._made = prometheus
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self._calls = prometheus.Histogram(
            "agent_tools_call_seconds", "Calls of tools", ("tool", "outcome"), buckets=CALL_S, registry=self.registry
        )
        self._jobs = prometheus.Histogram(
            "agent_tools_job_seconds", "Jobs of this worker", ("outcome",), buckets=JOB_S, registry=self.registry
        )
        if gauges is not None:
            self._read_at_each_look(gauges)

    def call(self, tool: str, outcome: str, took_s: float) -> None:
        self._calls.labels(tool, outcome).observe(took_s)

    def job(self, outcome: str, took_s: float) -> None:
        self._jobs.labels(outcome).observe(took_s)

    def _read_at_each_look(self, gauges: Callable[[], Mapping[str, float]]) -> None:
        from prometheus_client.core import GaugeMetricFamily
        from prometheus_client.registry import Collector

        class Gauges(Collector):
            def collect(self) -> Iterator[Any]:
                for name, value in gauges().items():
                    yield GaugeMetricFamily(f"agent_tools_{name}", GAUGES[name], value=value)

            def describe(self) -> Iterable[Any]:
                return ()  # so that to register does not ask for the numbers

        self.registry.register(Gauges())

    def text(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        written: bytes = self._made.generate_latest(self.registry)
        return written

    def listen(self, port: int) -> None:
        """Answer Prometheus at this port in a thread, on all addresses of the machine."""
        self._made.start_http_server(port, registry=self.registry)


GAUGES: Mapping[str, str] = {
    "jobs_queued": "Jobs that wait for a worker",
    "jobs_running": "Jobs that a worker holds",
    "jobs_failed": "Videos whose last job failed",
    "jobs_done_last_hour": "Jobs that were done in the last hour",
    "hours_done_last_hour": "Hours of video of these jobs",
    "oldest_queued_seconds": "How long the oldest queued job has waited",
    "workers": "Workers that are there",
    "workers_idle": "Workers that wait for a job",
    "videos": "Videos in memory",
    "video_hours": "Hours of these videos",
}
