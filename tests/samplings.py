"""Sampling parameters as tests need them: any, and one of each."""

from __future__ import annotations

from hypothesis import strategies as st

from tui_chat.core.sampling import Sampling

SAMPLINGS = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
    top_k=st.none() | st.integers(1, 1000),
    seed=st.none() | st.integers(0, 2**31 - 1),
)
ALL = Sampling(temperature=0.7, top_p=0.9, top_k=40, seed=7)
