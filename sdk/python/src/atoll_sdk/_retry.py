"""When a request is tried again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Waits between attempts begin with this, in seconds, and double up to the other.
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
# Statuses with which nothing was done, or something in between could not reach Atoll.
REFUSED_FOR_NOW = {429}
MAYBE_DONE = {502, 503, 504}
# A quota does not become free by asking again.
NOT_AGAIN = {"quota_exceeded"}


@dataclass(frozen=True)
class Retries:
    """How often, and how long, a client tries again."""

    attempts: int = 5
    """How often a request is sent at most."""
    longest_wait_seconds: float = 30.0
    """A server that asks for a longer wait is not asked again: the failure is raised."""

    def wait_seconds(self, attempt: int, retry_after: str | None) -> float | None:
        """Before the attempt of this number, from 1; None when there is none."""
        if attempt >= self.attempts:
            return None
        bound = min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), LONGEST_WAIT_SECONDS)
        # Not all at once: whoever failed together comes again apart.
        wait = bound * random.uniform(0.5, 1.0)
        asked = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        return None if asked > self.longest_wait_seconds else max(wait, asked)


def is_worth_trying(status: int, code: str, repeatable: bool) -> bool:
    """Whether a refusal may be another answer later. What may have been done is repeated only where that is harmless."""
    if code in NOT_AGAIN:
        return False
    return status in REFUSED_FOR_NOW or (repeatable and status in MAYBE_DONE)
