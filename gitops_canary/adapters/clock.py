"""The real clock: monotonic seconds that count suspended time, and aware wall time; virtual clocks live in tests."""

import time
from datetime import UTC, datetime

from gitops_canary.ports import Moment

# CLOCK_BOOTTIME goes on while the machine sleeps, so a lease cannot look fresh after a suspend (rule O3); only Linux has it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    def now(self) -> Moment:
        return Moment(time.clock_gettime(_CLOCK), datetime.now(UTC))
