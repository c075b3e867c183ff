from cybous3.lab.bench.counters.metrics import requests_and_bytes
from cybous3.server.admin.metrics import Metrics


def test_what_the_server_exports_is_understood() -> None:
    """Against the real exposition: a renamed metric would silently count nothing."""
    metrics = Metrics("0")
    metrics.observe("PutObject", 200, "", 0.1)
    metrics.observe("PutObject", 201, "", 0.1)
    metrics.observe("GetObject", 404, "NoSuchKey", 0.1)
    edge = dict.fromkeys(("connections", "in_flight", "accepted", "turned_away", "requests"), 0)
    edge |= dict.fromkeys(("refused", "crashed", "aborted"), 0) | {"bytes_in": 1000, "bytes_out": 70}
    metrics.publish(edge)
    assert requests_and_bytes(metrics.render().decode()) == {
        "http.PutObject": 2,
        "http.GetObject.4xx": 1,
        "http.received_bytes": 1000,
        "http.sent_bytes": 70,
    }
