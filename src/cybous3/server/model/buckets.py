"""Buckets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and who owns it."""

    name: str
    owner: str  # canonical id
    region: str
    created_ms: int
