"""`red5-tls-proxy doctor` on a real Red5 behind the proxy: RTMP, RTMPT, HTTP and its own red5.properties."""

from lib.doctor import examine


def test_doctor_finds_no_fault(red5, start_proxy, ports):
    """And each of the three protocols comes through each listener."""
    both = {"http_backend": red5.http_address, "rtmp_backend": red5.rtmp_address}
    proxy = start_proxy(listeners={name: {"listen": f"127.0.0.1:{ports.take()}", "certificates": "main", **both}
                                   for name in ("https", "rtmps")})
    report = examine(proxy.ini, red5.log.resolve().parent)
    assert report.faults == []
    for name in ("http", "rtmp", "rtmpt", "rtmps", "rtmpts"):
        assert report.severities(name) == {"ok"}, name
    said = dict(message.split(" = ") for severity, message in report.of("red5-properties") if severity == "ok")
    assert said["says rtmp.port"] == f"{red5.rtmp_address.rpartition(':')[2]}, as proxy.ini does"
    assert said["says http.port"] == f"{red5.http_address.rpartition(':')[2]}, as proxy.ini does"
