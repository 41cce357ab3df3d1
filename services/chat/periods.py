"""Gone to shared/periods.py, since accounts and jobs count the same months."""

from shared.periods import months_after, period_of

__all__ = ["months_after", "period_of"]
