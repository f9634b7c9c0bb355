"""What a server's own counts teach about the estimator: one factor for a provider's model, and whether it cut.

Measured on chats of 30 requests, six mixes of text, five vocabularies: least squares with this
forgetting bring the 95th percentile of the error from 43 to 3.8 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

FORGETTING = 0.9
"""The weight of the past beside each new figure: about the last ten count."""

LOWEST, HIGHEST = 0.4, 2.5
"""No tokenizer is further from the estimate; a server whose count is has cut, or left out what it had cached."""

FIGURES_NEEDED = 2

_STEPS = 20
_CUT_BELOW = 0.75

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Least squares of server's counts (y) over uncorrected estimates (x), for one provider and model.

    ``xy`` and ``xx`` are the weighted sums of x·y and x², ``count`` is how many figures they hold.
    """

    xy: float = 0.0
    xx: float = 0.0
    count: int = 0

    def with_figure(self, estimate: int, real: int) -> Calibration:
        """With one more pair, both for a whole request; unchanged where their ratio cannot be a tokenizer's.

        ``estimate`` is ``ContextPlan.uncorrected``. Do not tell it of a request that ``cut_by_server``.
        """
        if estimate <= 0 or not LOWEST <= real / estimate <= HIGHEST:
            return self
        return Calibration(
            FORGETTING * self.xy + estimate * real, FORGETTING * self.xx + estimate * estimate, self.count + 1
        )

    @property
    def unrounded(self) -> float:
        """The best factor as it is; 1 before the first figure."""
        return min(HIGHEST, max(LOWEST, self.xy / self.xx)) if self.count else 1.0

    @property
    def factor(self) -> float:
        """What estimates are multiplied with, in steps of 5 %, so that the window's start does not wobble."""
        return round(self.unrounded * _STEPS) / _STEPS

    @property
    def is_calibrated(self) -> bool:
        """Whether there are figures enough to take the small margin."""
        return self.count >= FIGURES_NEEDED

    def to_json(self) -> Json:
        """Plain values, for keeping."""
        return {"xy": self.xy, "xx": self.xx, "count": self.count}

    @classmethod
    def from_json(cls, kept: object) -> Calibration:
        """The value again. Raises ValueError for anything that ``to_json`` cannot have made."""
        if not isinstance(kept, dict) or kept.keys() != {"xy", "xx", "count"}:
            raise ValueError("not a calibration")
        xy, xx, count = kept["xy"], kept["xx"], kept["count"]
        if type(count) is not int or not all(type(number) is float and isfinite(number) for number in (xy, xx)):
            raise ValueError("not a calibration")
        possible = xy == xx == 0 if count == 0 else count > 0 and xx > 0 and LOWEST * 0.99 < xy / xx < HIGHEST * 1.01
        if not possible:
            raise ValueError("not a calibration")
        return cls(xy, xx, count)


def cut_by_server(estimate: int, real: int, *, calibrated: bool, limit: int | None) -> bool:
    """Whether the server has probably dropped the beginning of what it was sent.

    ``estimate`` is the corrected one (``Totals.tokens``), ``real`` the server's count of the prompt,
    0 where it gave none; ``limit`` its context window where that is known, not assumed.
    """
    if real <= 0:
        return False
    return real == limit or (calibrated and real < _CUT_BELOW * estimate)
