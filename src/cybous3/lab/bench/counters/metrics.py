"""What the server says of its own traffic, out of the text of its metrics."""

import re
from typing import Final

_REQUESTS: Final = re.compile(
    r'^swifts3_http_requests_total\{operation="(\w+)",status_class="(\w+)"\} (\S+)$', re.MULTILINE
)
_BYTES: Final = re.compile(r"^swifts3_(received|sent)_bytes_total (\S+)$", re.MULTILINE)


def requests_and_bytes(text: str) -> dict[str, int]:
    """Return `http.OPERATION` (`http.OPERATION.4xx` for what failed), `http.received_bytes` and `http.sent_bytes`."""
    counts: dict[str, int] = {}
    for operation, status, value in _REQUESTS.findall(text):
        name = f"http.{operation}" if status == "2xx" else f"http.{operation}.{status}"
        counts[name] = counts.get(name, 0) + int(float(value))
    return counts | {f"http.{way}_bytes": int(float(value)) for way, value in _BYTES.findall(text)}
