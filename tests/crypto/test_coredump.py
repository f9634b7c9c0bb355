"""Core dumps are switched off."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_core_dumps_are_forbidden() -> None:
    pytest.importorskip("resource", reason="this platform has no limits to set")
    script = (
        "import resource\n"
        "from tui_chat.crypto.coredump import forbid_core_dumps\n"
        "print(forbid_core_dumps(), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "True (0, 0)\n"
