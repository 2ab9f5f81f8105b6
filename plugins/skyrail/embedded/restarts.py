"""When a dead process is started again, and when it is enough."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Restarts:
    """The deaths of one process. Times are seconds of any steady clock."""

    limit: int = 5
    """Deaths within `window` that stop everything."""

    window: float = 60.0
    first_delay: float = 0.5
    """Pause before the first restart; it doubles with each death within the window."""

    longest_delay: float = 8.0
    """Short enough that a process which takes 10 s to die still reaches the limit within the window."""

    deaths: deque[float] = field(default_factory=deque)

    def died(self, now: float) -> float | None:
        """Note a death; return the pause before the next start, or None when the process is to be given up."""
        self.deaths.append(now)
        while self.deaths[0] <= now - self.window:
            self.deaths.popleft()
        if len(self.deaths) >= self.limit:
            return None
        return min(self.longest_delay, self.first_delay * 2 ** (len(self.deaths) - 1))
