"""What a quality gate answers, whatever it looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that did not hold. Carries figures, never values of a record."""

    suite: str
    table: str
    expectation: str
    severity: str  # critical | warning
    column: str | None = None
    observed: str | None = None  # a count, share or figure
    limit: str | None = None  # what the suite allows

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{self.severity}: {self.expectation} on {where}: observed {self.observed}, allowed {self.limit}"


@dataclass(frozen=True, slots=True)
class GateResult:
    """`outcome`: pass; warn (only warnings failed); fail (a critical expectation failed)."""

    evaluated: int
    failures: tuple[Failure, ...] = ()

    @property
    def outcome(self) -> str:
        if any(failure.severity == "critical" for failure in self.failures):
            return "fail"
        return "warn" if self.failures else "pass"
