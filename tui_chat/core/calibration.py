"""What a server's own counts teach about the estimator: one factor for a provider's model, what the last
request was off by, and whether the server cut.

Measured on chats of 30 requests, six mixes of text, five vocabularies: least squares with this
forgetting bring the 95th percentile of the error from 43 to 3.8 %; the last count to 3.3 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from tui_chat.core.context import ContextPlan

FORGETTING = 0.9
"""The weight of the past beside each new figure: about the last ten count."""

LOWEST, HIGHEST = 0.4, 2.5
"""No tokenizer is further from the estimate; a server whose count is has cut, or left out what it had cached."""

_STEPS = 20
_CUT_BELOW = 0.75
_FORGOTTEN = 1.0

Json = dict[str, Any]


def corrected(estimate: int, factor: float) -> int:
    """An estimate after the factor, in whole percents, rounded up."""
    # Whole numbers: 1.1 times 100 is 110.00000000000001, which would round up to 111.
    return -(-estimate * round(factor * 100) // 100)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Least squares of server's counts (y) over uncorrected estimates (x), for one provider and model.

    ``xy`` and ``xx`` are the weighted sums of x·y and x². ``latin`` and ``others`` are how many figures
    of Latin and of other scripts they hold, forgotten at the same pace: a script is calibrated while
    more than one fresh figure of it is left. So it takes two of them, and after two of one script the
    seventh of another undoes it: the factor is then the other's.
    """

    xy: float = 0.0
    xx: float = 0.0
    latin: float = 0.0
    others: float = 0.0

    def with_figure(self, estimate: int, real: int, *, others: float = 0.0) -> Calibration:
        """With one more pair, both for a whole request; unchanged where their ratio cannot be a tokenizer's.

        ``estimate`` is ``ContextPlan.uncorrected``, ``others`` the share of its letters that are not
        Latin (or whether they count as such). Do not tell it of a request that ``cut_by_server``.
        """
        if not _is_possible(estimate, real):
            return self
        return Calibration(
            FORGETTING * self.xy + estimate * real,
            FORGETTING * self.xx + estimate * estimate,
            FORGETTING * self.latin + (1 - others),
            FORGETTING * self.others + others,
        )

    @property
    def unrounded(self) -> float:
        """The best factor as it is; 1 before the first figure."""
        return min(HIGHEST, max(LOWEST, self.xy / self.xx)) if self.xx else 1.0

    @property
    def factor(self) -> float:
        """What estimates are multiplied with, in steps of 5 %, so that the window's start does not wobble."""
        return round(self.unrounded * _STEPS) / _STEPS

    @property
    def is_calibrated(self) -> bool:
        """Whether there are figures enough to take the small margin for Latin letters."""
        return self.latin > _FORGOTTEN

    @property
    def is_calibrated_for_others(self) -> bool:
        """The same for letters of other scripts."""
        return self.others > _FORGOTTEN

    def is_calibrated_for(self, plan: ContextPlan) -> bool:
        """The same for the letters of that request."""
        return self.is_calibrated_for_others if plan.others else self.is_calibrated

    def to_json(self) -> Json:
        """Plain values, for keeping."""
        return {"xy": self.xy, "xx": self.xx, "latin": self.latin, "others": self.others}

    @classmethod
    def from_json(cls, kept: object) -> Calibration:
        """The value again. Raises ValueError for anything that ``to_json`` cannot have made."""
        if not isinstance(kept, dict) or kept.keys() != {"xy", "xx", "latin", "others"}:
            raise ValueError("not a calibration")
        numbers = xy, xx, latin, others = kept["xy"], kept["xx"], kept["latin"], kept["others"]
        if not all(type(number) is float and isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("not a calibration")
        figures = latin + others
        if xx == 0 or figures == 0:
            possible = not any(numbers)
        else:
            possible = LOWEST * 0.99 < xy / xx < HIGHEST * 1.01 and 0.99 < figures < 1.01 / (1 - FORGETTING)
        if not possible:
            raise ValueError("not a calibration")
        return cls(xy, xx, latin, others)


@dataclass(frozen=True, slots=True)
class LastCount:
    """The server's own count of a conversation's last request, beside the uncorrected estimate of it."""

    uncorrected: int
    real: int

    def residual(self, factor: float) -> int:
        """By how many tokens it was larger than its corrected estimate, smaller where negative: ``Request.residual``.

        0 where the two cannot be of one request: a server that counted only what it had not cached.
        """
        if not _is_possible(self.uncorrected, self.real):
            return 0
        return self.real - corrected(self.uncorrected, factor)

    def to_json(self) -> Json:
        """Plain values, for keeping."""
        return {"uncorrected": self.uncorrected, "real": self.real}

    @classmethod
    def from_json(cls, kept: object) -> LastCount:
        """The value again. Raises ValueError for anything that ``to_json`` cannot have made."""
        if not isinstance(kept, dict) or kept.keys() != {"uncorrected", "real"}:
            raise ValueError("not a count")
        if not all(type(number) is int and number >= 0 for number in kept.values()):
            raise ValueError("not a count")
        return cls(kept["uncorrected"], kept["real"])


def _is_possible(estimate: int, real: int) -> bool:
    """Whether a tokenizer can count this for that."""
    # No quotient: a server may count what no float holds.
    return estimate > 0 and LOWEST * estimate <= real <= HIGHEST * estimate


def cut_by_server(estimate: int, real: int, *, calibrated: bool, limit: int | None) -> bool:
    """Whether the server has probably dropped the beginning of what it was sent.

    ``estimate`` is the corrected one (``Totals.tokens``), ``real`` the server's count of the prompt,
    0 where it gave none; ``limit`` its context window where that is known, not assumed.
    """
    if real <= 0:
        return False
    return real == limit or (calibrated and real < _CUT_BELOW * estimate)
