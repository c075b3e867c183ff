"""Version ids on buckets without versions: the null version is the only one there is."""

import re
from typing import Final

from cybous3.server.model.objects import NULL_VERSION
from cybous3.server.wire.errors import S3Error

# S3's own are 32 characters; none was ever given out here.
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{32}", re.ASCII)


def null_version(version_id: str | None, key: str) -> None:
    """Accept no version id and "null". NoSuchVersion for another one, InvalidArgument for what cannot be one."""
    if version_id is None or version_id == NULL_VERSION:
        return
    if not version_id:
        raise _invalid("Version id cannot be the empty string", version_id)
    if _WELL_FORMED.fullmatch(version_id) is None:
        raise _invalid("Invalid version id specified", version_id)
    raise S3Error("NoSuchVersion", None, Key=key, VersionId=version_id)


def _invalid(message: str, version_id: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName="versionId", ArgumentValue=version_id)
