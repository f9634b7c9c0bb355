"""Calibration: the factor follows the server's counts, strange ones are left out, and cutting is noticed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.core.calibration import Calibration, cut_by_server

ratios = st.floats(0.4, 2.5)
figures = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=30)


def after(*pairs: tuple[int, int]) -> Calibration:
    calibration = Calibration()
    for estimate, real in pairs:
        calibration = calibration.with_figure(estimate, real)
    return calibration


def test_before_the_first_figure_estimates_stay_as_they_are() -> None:
    assert (Calibration().factor, Calibration().unrounded, Calibration().is_calibrated) == (1.0, 1.0, False)


def test_two_figures_calibrate() -> None:
    assert [after((100, 120)).is_calibrated, after((100, 120), (200, 240)).is_calibrated] == [False, True]


@given(ratios, st.lists(st.integers(100, 200_000), min_size=2, max_size=20))
def test_figures_of_one_ratio_make_it_the_factor(ratio: float, estimates: list[int]) -> None:
    # A count is a whole number: near the two ends rounding must not carry it over them.
    pairs = [(x, min(5 * x // 2, max(-(-2 * x // 5), round(ratio * x)))) for x in estimates]

    calibration = after(*pairs)

    assert calibration.count == len(estimates)
    assert abs(calibration.unrounded - ratio) <= 0.02 * ratio
    assert abs(calibration.factor - calibration.unrounded) <= 0.025 + 1e-9


@given(figures)
def test_the_factor_is_always_in_its_bounds_and_in_steps_of_5_percent(pairs: list[tuple[int, int]]) -> None:
    calibration = after(*pairs)

    assert 0.4 <= calibration.unrounded <= 2.5
    assert 0.4 <= calibration.factor <= 2.5
    assert calibration.factor * 20 == pytest.approx(round(calibration.factor * 20))


@pytest.mark.parametrize("pair", [(1000, 399), (1000, 2501), (1000, 0), (1000, -5), (0, 100), (-10, -10)])
def test_a_count_that_no_tokenizer_makes_is_left_out(pair: tuple[int, int]) -> None:
    calibration = after((1000, 1200))

    assert calibration == calibration.with_figure(*pair)


@pytest.mark.parametrize("real", [400, 2500])
def test_the_ends_of_the_range_count(real: int) -> None:
    assert after((1000, real)).unrounded == real / 1000


def test_the_past_is_forgotten_by_a_tenth_with_each_figure() -> None:
    calibration = after((100, 100), (100, 200))

    assert calibration.unrounded == pytest.approx((0.9 * 1 + 2) / 1.9)


def test_after_a_change_of_the_server_s_template_the_factor_follows() -> None:
    calibration = after(*[(1000, 1000)] * 20, *[(1000, 1500)] * 20)

    assert calibration.factor == pytest.approx(1.45)


@given(figures)
def test_it_comes_back_from_json(pairs: list[tuple[int, int]]) -> None:
    calibration = after(*pairs)

    assert calibration == Calibration.from_json(json.loads(json.dumps(calibration.to_json())))


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        "{}",
        {},
        {"xy": 1.0, "xx": 1.0},
        {"xy": 1.0, "xx": 1.0, "count": 1, "more": 0},
        {"xy": "1", "xx": 1.0, "count": 1},
        {"xy": True, "xx": 1.0, "count": 1},
        {"xy": 10**400, "xx": 10**400, "count": 1},
        {"xy": 1.0, "xx": 1.0, "count": 1.0},
        {"xy": 1.0, "xx": 1.0, "count": True},
        {"xy": 1.0, "xx": 1.0, "count": 0},
        {"xy": 1.0, "xx": 1.0, "count": -1},
        {"xy": 0.0, "xx": 0.0, "count": 1},
        {"xy": 9.0, "xx": 1.0, "count": 1},
        {"xy": -1.0, "xx": -1.0, "count": 1},
        {"xy": float("nan"), "xx": 1.0, "count": 1},
        {"xy": float("inf"), "xx": float("inf"), "count": 1},
    ],
)
def test_what_is_no_calibration_is_refused(kept: object) -> None:
    with pytest.raises(ValueError, match="not a calibration"):
        Calibration.from_json(kept)


# -- a server that cuts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "real", "calibrated", "limit", "cut"),
    [
        (5900, 2048, True, None, True),
        (5900, 2048, False, None, False),  # an uncalibrated estimate may be that far off
        (5900, 2048, False, 2048, True),
        (1000, 749, True, None, True),
        (1000, 750, True, None, False),
        (1000, 1400, True, 8192, False),
        (1000, 0, True, 8192, False),  # no figure is no sign
        (0, 5, True, None, False),
    ],
)
def test_a_count_far_below_the_estimate_or_at_the_limit_is_a_cut(
    estimate: int, real: int, calibrated: bool, limit: int | None, cut: bool
) -> None:
    assert cut is cut_by_server(estimate, real, calibrated=calibrated, limit=limit)
