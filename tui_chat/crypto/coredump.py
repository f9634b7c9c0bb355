"""No core dumps: they would hold the keys and the chat."""

from __future__ import annotations


def forbid_core_dumps() -> bool:
    """Set this process's core file limit to 0; False where the platform has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True
