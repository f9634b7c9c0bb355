"""The log tells where a fault happened and nothing that anybody wrote."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui_chat.core.errors import StoreFailed
from tui_chat.core.secret import Secret
from tui_chat.disk import log as log_module
from tui_chat.disk.log import Log

CANARY = "canary-in-the-coal-mine"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "state" / "tui-chat.log")
    yield log
    log.close()


def fault(text: str) -> BaseException:
    """An exception as a bug makes it: the text is in its message, its cause, and in locals on the way."""
    try:
        try:
            Secret(text.encode()).__reduce__()
        except TypeError as error:
            raise StoreFailed(text, hint=text) from error
    except StoreFailed as error:
        group = ExceptionGroup(text, [ValueError(text)])
        group.__cause__ = error
        return group
    raise AssertionError("it did not fail")


def test_a_crash_record_names_types_and_our_frames_but_no_text(log: Log) -> None:
    path = log.record_crash(fault(CANARY))

    text = path.read_text()
    assert CANARY not in text
    assert "ExceptionGroup" in text
    assert "StoreFailed" in text
    assert "tui_chat/core/secret.py:" in text
    assert "Secret.__reduce__" in text


def test_only_numbers_are_filled_into_a_record(log: Log) -> None:
    log.open()

    logging.getLogger("tui_chat.store").info("opened %s after %d ms", CANARY, 12)
    logging.getLogger("tui_chat.store").warning(ValueError(CANARY))
    logging.getLogger("tui_chat").info("%(a)s", {"a": CANARY})

    text = log.path.read_text()
    assert "opened … after 12 ms" in text
    assert CANARY not in text


def test_the_log_is_private_and_rotates(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LOG_BYTES", 2000)
    log.open()

    for number in range(200):
        logging.getLogger("tui_chat").info("line %d", number)

    files = sorted(log.path.parent.iterdir())
    assert [path.name for path in files] == ["tui-chat.log", "tui-chat.log.1"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]
    assert "line 199" in log.path.read_text()
