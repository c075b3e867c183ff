"""Where an S3 server is and how its buckets are addressed, parsed once from what a person wrote."""

import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from cybous3.client.stores.errors import Refused
from cybous3.core.uri import uri_encode

Addressing = Literal["path", "virtual"]
DEFAULT_REGION = "us-east-1"
_PORTS = {"http": 80, "https": 443}
# Endpoints that tell their region in their name; group 1 is the region. providers.md §2.
_REGION_IN_HOST = (
    r"s3(?:[.-]dualstack)?[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?",
    r"s3\.([a-z0-9-]+)\.(?:backblazeb2|wasabisys)\.com",
    r"s3\.([a-z0-9-]+)\.(?:scw\.cloud|io\.cloud\.ovh\.net|cloud-object-storage\.appdomain\.cloud)",
    r"([a-z0-9-]+)\.(?:digitaloceanspaces|linodeobjects|your-objectstorage)\.com",
    r"(?:cos|obs)\.([a-z0-9-]+)\.(?:myqcloud|myhuaweicloud)\.com",
)
_HAS_LETTERS = re.compile(r"[g-z]")  # an address has none, and needs no pattern compiled
_REGION_BY_SUFFIX = {".r2.cloudflarestorage.com": "auto", "storage.googleapis.com": "auto"}


class Endpoint(NamedTuple):
    """One S3 server. `host` has no brackets, whatever the address family."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    addressing: Addressing = "path"

    @property
    def secure(self) -> bool:
        """Whether requests travel over TLS."""
        return self.scheme == "https"

    @property
    def url(self) -> str:
        """The endpoint as a person would write it."""
        return f"{self.scheme}://{self.authority()}"

    def authority(self, bucket: str | None = None) -> str:
        """Return the Host field for requests to `bucket`: the port only where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        if bucket is not None and self.addressing == "virtual":
            name = f"{bucket}.{name}"
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    def path(self, bucket: str | None, key: str | None = None) -> str:
        """Return the percent-encoded path of a bucket or an object."""
        parts = "/" if bucket is None or self.addressing == "virtual" else f"/{bucket}"
        if key is None:
            return parts
        return f"{parts.rstrip('/')}/{uri_encode(key, safe_slash=True)}"

    def likely_region(self) -> str:
        """Return the region the host name tells, else the one that servers with a single region expect."""
        if not _HAS_LETTERS.search(self.host):
            return DEFAULT_REGION
        for pattern in _REGION_IN_HOST:
            if match := re.fullmatch(pattern, self.host):
                return match[1]
        return next((region for end, region in _REGION_BY_SUFFIX.items() if self.host.endswith(end)), DEFAULT_REGION)


def parse_endpoint(url: str, addressing: Addressing = "path") -> Endpoint:
    """Parse `http(s)://host[:port]`; without a scheme it is https. Raises Refused for anything else."""
    text = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Refused(f"not an endpoint: {url!r}: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused(f"not an endpoint: {url!r}", hint="write it as https://host or http://host:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        raise Refused(
            f"an endpoint is a scheme, a host and a port only: {url!r}",
            hint="bucket and prefix have options of their own",
        )
    if addressing == "virtual" and _is_address(parts.hostname):
        raise Refused(f"{url!r} is an address: buckets cannot be host names below it", hint="use path-style addressing")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Endpoint(scheme, parts.hostname, port or _PORTS[scheme], addressing)


def _is_address(host: str) -> bool:
    import ipaddress  # noqa: PLC0415  # only where buckets are host names

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
