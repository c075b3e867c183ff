"""The load generator. Its one door is `Session`; the rest is how it works inside."""

from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.session import NotPrepared, Session, TargetFull

__all__ = ["Load", "NotPrepared", "Session", "TargetFull"]
