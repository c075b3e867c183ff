"""How a chaos run can end without a verdict, and with one that is bad."""

from cybous3.core.errors import CybousError


class BadScenario(CybousError):
    """The scenario says something that is not known, not possible, or not allowed. Nothing was started."""

    exit_code = 2


class CannotInject(BadScenario):
    """This machine lacks what a fault needs. Nothing was started."""


class CouldNotBegin(CybousError):
    """The steady state did not hold before the first fault, so the run can say nothing of the faults."""

    exit_code = 3


class InvariantsBroken(CybousError):
    """At least one check of the run failed; the verdict names it."""

    exit_code = 1
