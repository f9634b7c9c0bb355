"""The installed program in a terminal, with a real keyring and real model servers."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.servers.llama import llama_server, require_llama
from tests.servers.slow_model import SlowModel, counting, slow_model
from tests.servers.terminal import Computer, Terminal, computer_with_keyring, require_keyring

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on a Mac it would use the person's own keyring")

RESTORED = b"\x1b[?1049l"
"""What gives the terminal its own screen back."""

PROMPT = "Message (enter sends"
QUIT = "\x11"
CODE_LINE = re.compile(r"(?:[A-Z2-7]{7} +){3}[A-Z2-7]{7}")


@pytest.fixture
def computer() -> Iterator[Computer]:
    """A computer with a keyring and a history, its first run behind it."""
    require_keyring()
    with computer_with_keyring() as computer:
        computer.run("new", "The first one")
        yield computer


@pytest.fixture
def model(computer: Computer) -> Iterator[SlowModel]:
    """A model that counts for ever, twenty words a second, and is the computer's default."""
    with slow_model(pause=0.05) as model:
        computer.use_model(model.url, "slow")
        yield model


def opened(terminal: Terminal) -> Terminal:
    """The terminal, once the history is open and the prompt is there."""
    terminal.until(lambda: "New conversation" in terminal.text and "locked" not in terminal.text, what="the history")
    return terminal


def quit_by_key(terminal: Terminal) -> int:
    terminal.type(QUIT)
    return terminal.wait_for_exit(seconds=6)


# -- commands that ask --------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_command_that_asks_for_the_passphrase(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    with Computer(tmp_path).start("new", "x") as terminal:
        terminal.wait_for("New passphrase")
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            terminal.send_signal(number)

        assert code == terminal.wait_for_exit(seconds=6)
        assert "Traceback" not in terminal.text


# -- the first run ----------------------------------------------------------------------


def test_the_first_run_shows_the_recovery_code_and_no_later_one_does() -> None:
    require_keyring()
    with computer_with_keyring() as computer:
        with computer.start() as terminal:
            terminal.until(lambda: len(CODE_LINE.findall(terminal.text)) == 2, what="a recovery code")
            terminal.type("\r")
            terminal.wait_for("y confirms")
            terminal.type("y")
            terminal.until(lambda: "recovery code" not in terminal.text)
            assert 0 == quit_by_key(terminal)

        with computer.start() as terminal:
            terminal.wait_for("offline guide, not an AI")
            assert 0 == quit_by_key(terminal)
            later = bytes(terminal.raw)

        assert b"recovery code" not in later
        assert {"slots": ["keyring", "recovery"], "keyring": "keyring.backends.SecretService.Keyring"} == slots(
            computer
        )


def slots(computer: Computer) -> object:
    return json.loads(computer.run("keys", "status", "--json"))


def test_without_a_keyring_the_passphrase_is_typed(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    with computer.start() as terminal:
        terminal.wait_for("Choose a passphrase")
        terminal.type("correct horse battery\r")
        terminal.wait_for("The same again")
        terminal.type("correct horse battery\r")
        terminal.wait_for("Your recovery code")
        terminal.type("\r")
        terminal.wait_for("y confirms")
        terminal.type("y")
        terminal.until(lambda: "recovery code" not in terminal.text)
        terminal.type("What can you do?\r")
        terminal.wait_for("What can you do?")
        assert 0 == quit_by_key(terminal)

    with computer.start() as terminal:
        terminal.wait_for("Unlock your history")
        terminal.type("wrong horse\r")
        terminal.wait_for("not the passphrase of this history")
        locked = terminal.text
        terminal.type("correct horse battery\r")
        terminal.wait_for("What can you do?")
        shown = bytes(terminal.raw)
        assert 0 == quit_by_key(terminal)

    with computer.start() as terminal:
        terminal.wait_for("Unlock your history")
        assert 128 + signal.SIGTERM == by_sigterm(terminal)

    assert "What can you do?" not in locked
    assert b"horse" not in shown


# -- leaving in mid-reply -----------------------------------------------------------------


def by_key(terminal: Terminal) -> int:
    assert 0 == quit_by_key(terminal)
    assert RESTORED in terminal.raw
    return 0


def by_sigterm(terminal: Terminal) -> int:
    terminal.send_signal(signal.SIGTERM)
    code = terminal.wait_for_exit(seconds=6)
    assert RESTORED in terminal.raw
    return code


def by_sighup(terminal: Terminal) -> int:
    terminal.send_signal(signal.SIGHUP)
    code = terminal.wait_for_exit(seconds=6)
    assert RESTORED not in terminal.raw
    assert "fault" not in terminal.text
    return code


def by_closing_the_window(terminal: Terminal) -> int:
    terminal.hang_up()
    return terminal.wait_for_exit(seconds=6)


LEAVING = [(by_key, 0), (by_sigterm, 128 + signal.SIGTERM), (by_sighup, 129), (by_closing_the_window, 129)]


@pytest.mark.parametrize(("leave", "code"), LEAVING)
def test_leaving_in_mid_reply_keeps_prompt_reply_and_draft(
    computer: Computer, model: SlowModel, leave: Callable[[Terminal], int], code: int
) -> None:
    with opened(computer.start()) as terminal:
        terminal.type("Count for me\r")
        terminal.wait_for("n10 ")
        terminal.type("an unsent thought")
        terminal.wait_for("an unsent thought")
        assert code == leave(terminal)
    assert model.left.wait(5), "the connection was closed"

    with computer.start() as terminal:
        terminal.wait_for("❯ an unsent thought")

        assert "Count for me" in terminal.text
        assert "n9 n10 " in terminal.text
        assert "stopped" in terminal.text
    assert not computer.log


def test_a_real_server_is_heard_and_left_in_mid_reply(computer: Computer) -> None:
    require_llama()
    with llama_server("loop", ctx=65_536) as url:
        computer.use_model(url, "tiny-loop", context_window=65_536)
        with opened(computer.start()) as terminal:
            terminal.type("Go on for ever\r")
            terminal.until(lambda: said_by_llama(terminal.text) > 5, what="a stream of words")
            by_closing_the_window(terminal)

        with computer.start() as terminal:
            terminal.until(lambda: said_by_llama(terminal.text) > 5, what="what it had said")
        prompt, reply = json.loads(computer.run("show", "@last", "--json"))["conversations"][0]["messages"]

    assert ("Go on for ever", "stopped") == (prompt["text"], reply["status"])
    assert said_by_llama(reply["text"]) > 5


def said_by_llama(text: str) -> int:
    """How many of its words are there."""
    return sum(text.count(word) for word in ("tiny", "from", "wordlist", "was", "naïve"))


@pytest.mark.parametrize("milliseconds", [100, 200, 250, 300, 350])
def test_leaving_while_it_starts_is_quiet(computer: Computer, milliseconds: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with computer.start() as terminal:
            end = monotonic() + milliseconds / 1000
            while monotonic() < end:
                terminal.read(0.005)
            terminal.send_signal(number)
            code = terminal.wait_for_exit(seconds=6)

        assert code in (-number, 128 + number)
        assert b"Traceback" not in terminal.raw
    assert not computer.log


def test_locking_leaves_nothing_on_the_screen(computer: Computer, model: SlowModel) -> None:
    with opened(computer.start()) as terminal:
        terminal.type("A private thing\r")
        terminal.wait_for("n5 ")
        terminal.type("\x10")
        terminal.wait_for("Search for commands")
        terminal.type("Lock now")
        terminal.wait_for("Close the history")
        terminal.type("\r")
        terminal.until(lambda: "Keyring" in terminal.text and "n5" not in terminal.text, what="an unlock screen alone")
        locked = terminal.text
        terminal.type("\x12")
        terminal.wait_for("stopped")

        assert "n4 n5 " in terminal.text
    assert "private" not in locked
    assert not computer.log


# -- typing ---------------------------------------------------------------------------------


def test_keys_of_one_read_keep_their_order_while_a_reply_streams(computer: Computer, model: SlowModel) -> None:
    with opened(computer.start()) as terminal:
        terminal.type("Count for me\r")
        terminal.wait_for("n5 ")
        for _ in range(5):
            terminal.type("helloa\x7fbc")
            terminal.wait_for("❯ hellobc")
            terminal.type("\x15q\x1b[Dz")
            terminal.wait_for("❯ zq")
            terminal.type("\x1b[F\x15")
            terminal.wait_for(PROMPT)

    assert ["Count for me"] == [request["messages"][-1]["content"] for request in model.requests]


def test_what_is_typed_while_the_program_starts_is_kept(computer: Computer) -> None:
    with computer.start() as terminal:
        terminal.type("from the very ")
        terminal.until(lambda: bool(terminal.raw))
        terminal.type("first moment ")
        opened(terminal)
        terminal.type("on")
        terminal.wait_for("❯ from the very first moment on")


def test_a_narrow_terminal_shows_it_all_and_a_wide_one_the_list(computer: Computer, model: SlowModel) -> None:
    with opened(computer.start(columns=60, rows=20)) as terminal:
        terminal.type("Count for me\r")
        terminal.wait_for("n5 ")
        narrow = terminal.text
        terminal.resize(120, 40)
        terminal.wait_for("▸ Count for me")
        terminal.resize(60, 20)
        terminal.until(lambda: "▸ Count for me" not in terminal.text)
        assert 0 == quit_by_key(terminal)

    assert "Count for me" in narrow
    assert "slow" in narrow


# -- a model that wants the terminal --------------------------------------------------------

HOSTILE = (
    "\x1b]52;c;b3duZWQ=\x1b\\",  # the clipboard
    "\x1b]0;owned\x07",  # the title
    "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[3J\x1bc\x1b[5mblink\x1b[41m",
    "\x1bP+q544e\x1b\\\x1b_Gi=1;\x1b\\\x1b^pm\x1b\\",
    "\x9b2J\x9d0;owned\x9c\x90q\x9c\x85",
    "\x07\x08\x0b\x0c\x0e\x0f\x7f\x05",
    "`\x1b]52;c;b3duZWQ=\x07`\n```sh\n\x1b]0;owned\x07\n```\n| \x1b]0;owned\x07 | [\x1b[5mx](http://\x1b]0;o) |\n",
)

TEXTUALS_OWN = re.compile(
    rb"\x1b(?:"
    rb"\[(?:[01234678](?:;[0-9;]*)?|[0-9]{2,}[0-9;]*)?m"  # attributes, but 5: Textual never blinks
    rb"|\[[0-9;]*H"
    rb"|\[\?(?:7|25|1000|1003|1004|1006|1015|1049|2004|2026|2048)[hl]"
    rb"|\[\?(?:2026|2048)\$p"
    rb"|\[>[0-9]+u|\[<u"
    rb"|\]22;[a-z-]+\x07"  # the pointer's shape
    rb")"
)


def test_a_hostile_model_reaches_neither_clipboard_nor_title(computer: Computer) -> None:
    def attack(prompt: str) -> Iterator[str]:
        for piece in HOSTILE:
            yield piece
            yield from piece  # and in pieces that end in the middle of a sequence
        yield "\n\nthe end"

    with slow_model(attack, pause=0.002) as model:
        computer.use_model(model.url, "slow")
        computer.run("ask", stdin="".join(HOSTILE))
        with opened(computer.start()) as terminal:
            terminal.type("Go\r")
            terminal.wait_for("the end")
            terminal.type("\x1bgGjk")
            terminal.read(0.2)
            assert 0 == quit_by_key(terminal)

    assert [] == not_textuals_own(bytes(terminal.raw))


def not_textuals_own(raw: bytes) -> list[bytes]:
    """What is in the program's output beside text, moves, colours and Textual's own switches."""
    rest = TEXTUALS_OWN.sub(b"", raw).decode()
    return [rest[max(0, found.start() - 20) : found.end() + 20].encode() for found in _CONTROL.finditer(rest)]


_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def test_the_check_would_see_each_attack() -> None:
    for attack in HOSTILE:
        assert not_textuals_own(attack.encode())
    assert [] == not_textuals_own(b"\x1b[1;5H\x1b[38;2;1;2;3mtext\x1b[0m\r\n\x1b[?1049l")


def test_the_slow_model_counts() -> None:
    words = counting("anything")

    assert ["n0 ", "n1 ", "n2 "] == [next(words) for _ in range(3)]
