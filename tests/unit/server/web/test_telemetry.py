from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from runyard.server.web import telemetry
from runyard.server.web.traffic import Counters, Gauge, GroupTraffic, Traffic


def _samples(counters: Counters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = telemetry.render(counters).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_counted_is_shown() -> None:
    # Given
    traffic, groups = Traffic(), GroupTraffic()
    route = traffic.route("GET", "/a")
    for status, seconds in ((200, 0.002), (200, 0.3), (404, 20.0)):
        route.observe(status, seconds)
    traffic.route("POST", "/never-called")
    groups.observe(3, 0.004)
    gauges = (
        Gauge("runyard_waiting", "Waiting.", lambda: 5),
        Gauge("runyard_absent", "No.", lambda: None),
        Gauge("runyard_done", "Done.", lambda: 7, grows=True),
    )
    # When
    shown = _samples(Counters(traffic, groups, gauges, {"version": "1.2"}))
    # Then
    here = (("method", "GET"), ("path", "/a"))
    assert shown["runyard_http_requests_total", (*here, ("status", "200"))] == 2
    assert shown["runyard_http_requests_total", (*here, ("status", "404"))] == 1
    assert shown["runyard_http_request_seconds_bucket", (("le", "0.0025"), *here)] == 1
    assert shown["runyard_http_request_seconds_bucket", (("le", "0.5"), *here)] == 2
    assert shown["runyard_http_request_seconds_bucket", (("le", "+Inf"), *here)] == 3
    assert shown["runyard_http_request_seconds_sum", here] == 20.302
    assert shown["runyard_write_group_size_sum", ()] == 3
    assert shown["runyard_write_group_size_bucket", (("le", "4.0"),)] == 1
    assert shown["runyard_write_group_size_bucket", (("le", "2.0"),)] == 0
    assert shown["runyard_write_group_seconds_count", ()] == 1
    assert shown["runyard_waiting", ()] == 5
    assert shown["runyard_done_total", ()] == 7
    assert shown["runyard_server_info", (("version", "1.2"),)] == 1
    assert not any(name == "runyard_absent" or ("path", "/never-called") in labels for name, labels in shown)


def test_a_value_on_a_bound_counts_below_it() -> None:
    traffic = Traffic()
    traffic.route("GET", "/a").observe(200, 0.01)
    shown = _samples(Counters(traffic, GroupTraffic(), (), {}))
    here = (("method", "GET"), ("path", "/a"))
    assert shown["runyard_http_request_seconds_bucket", (("le", "0.01"), *here)] == 1
    assert shown["runyard_http_request_seconds_bucket", (("le", "0.005"), *here)] == 0
