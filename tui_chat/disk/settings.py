"""The settings file: TOML for people, read strictly and kindly, written with their comments kept.

A value that cannot be used falls back to its default and becomes a line of ``problems``, with its
name and line but never its text: somebody may have pasted a key there. A file that is no TOML at
all is refused, because running with defaults would open another profile than the one it names.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tui_chat.core.errors import BadInput
from tui_chat.core.settings import Settings
from tui_chat.disk import files
from tui_chat.disk.settings_table import Problem, flattened, kind_of, known_keys, problem_of, settings_from, table_from
from tui_chat.disk.toml_lines import line_of


class TomlSettings:
    """The user's settings in one TOML file. A missing file means defaults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: Sequence[str] = ()
        """What the last ``load`` could not use, a sentence each."""

    def load(self) -> Settings:
        """What the file says. Raises BadInput where it is no TOML, StoreFailed where it cannot be read."""
        text = self._text()
        settings, problems = settings_from(self._parsed(text))
        self.problems = tuple(self._sentence(problem, text) for problem in problems)
        return settings

    def save(self, settings: Settings) -> None:
        """Write what differs, atomically, keeping the user's comments.

        Endpoints that came from the environment are this run's only: the file's own ones stay.
        """
        text = self._text()
        before, _ = settings_from(self._parsed(text))
        after = table_from(settings, instead=before)
        _check(after)
        self._change(text, table_from(before), after)

    def set_value(self, key: str, text: str) -> None:
        """Set one value by its dotted name, as ``config set`` does; an empty text takes it out.

        Raises BadInput for an unknown name, a value of the wrong kind, and for anything that is a secret.
        """
        path = _path_of(key)
        _refuse_secret(path, text)
        kind = kind_of(path)
        if kind is None:
            raise BadInput(f"There is no setting of that name. Known are: {', '.join(known_keys())}.")
        written = self._text()
        before = self._parsed(written)
        _, old_problems = settings_from(before)
        after = _with(before, path, kind.parsed(key, text) if text else None)
        _, problems = settings_from(after)
        if new := [problem for problem in problems if problem not in old_problems]:
            raise BadInput(f"{key} {new[0].what}.", hint="Nothing was changed.")
        self._change(written, flattened(before), flattened(after))

    # -- the file -------------------------------------------------------------------

    def _text(self) -> str:
        data = files.read_if_there(self.path) or b""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput(f"{self.path} is not UTF-8 text.", hint="Save it as UTF-8.") from error

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            # The parser's own sentence quotes the text; only its place is told.
            place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
            where = place[1] if place else "somewhere"
            raise BadInput(
                f"{self.path} is not TOML ({where}).", hint="Correct it in an editor; nothing was changed."
            ) from None
        except (ValueError, RecursionError):
            raise BadInput(
                f"{self.path} cannot be read: a number or a nesting is beyond measure.",
                hint="Correct it in an editor; nothing was changed.",
            ) from None

    def _sentence(self, problem: Problem, text: str) -> str:
        line = line_of(problem.path, text)
        where = f"{self.path.name} line {line}" if line else self.path.name
        return f"{where}: {'.'.join(problem.path)} {problem.what}."

    def _change(self, text: str, before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]) -> None:
        """Write the file with what differs between two sets of values."""
        changes = {path: after.get(path) for path in (*before, *after) if before.get(path) != after.get(path)}
        if not changes:
            return
        # Imported here: only a run that writes settings pays for it.
        from tui_chat.disk.settings_writer import rewritten

        try:
            written = rewritten(text, changes)
            values = flattened(self._parsed(written))
        except (ValueError, RecursionError):  # the writer takes less than the reader does
            values = {}
        if any(values.get(path) != value for path, value in changes.items()):
            raise BadInput(
                f"{self.path} is written in a way that this program cannot change.",
                hint="Change it in an editor; nothing was written.",
            )
        files.replace(self.path, written.encode())


def _path_of(key: str) -> tuple[str, ...]:
    """The path that a dotted name means; an endpoint's name and an action's id may have dots themselves."""
    first, _, rest = key.partition(".")
    if first == "endpoints" and "." in rest:
        return (first, *rest.rsplit(".", 1))
    return (first, rest) if rest else (first,)


def _with(table: Mapping[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy of nested tables with one value set, or taken out where it is None."""
    copy = dict(table)
    if len(path) == 1:
        copy.pop(path[0], None)
        return copy if value is None else {**copy, path[0]: value}
    below = copy.get(path[0])
    copy[path[0]] = _with(below if isinstance(below, dict) else {}, path[1:], value)
    return copy


# -- secrets -------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"(?i)(^|[._-])(api[_-]?key|key|token|password|passphrase|passwd|secret|bearer|credential)s?$"
)
_KEY_PREFIX = re.compile(r"\b(sk[-_]|gsk_|hf_|gh[pousr]_|glpat-|xai-|AIza|nvapi-|pplx-|[Bb]earer )\S{6}")
_RANDOM_RUN = re.compile(r"[A-Za-z0-9]{24,}")


def looks_secret(text: str, *, numbered: bool = False) -> bool:
    """Whether a text looks like a key: a known beginning, or a long run of letters mixed with digits.

    What is ``numbered`` may have long runs: some services put an account's number into their address,
    and some keepers of passwords name what they keep by numbers.
    """
    if _KEY_PREFIX.search(text):
        return True
    runs = () if numbered else _RANDOM_RUN.findall(text)
    return any(sum(c.isdigit() for c in run) >= 4 and any(c.isalpha() for c in run) for run in runs)


def _refuse_secret(path: tuple[str, ...], text: str) -> None:
    # A setting that there is holds none, whatever its name: a cap is a number of tokens.
    named = kind_of(path) is None and _SECRET_NAME.search(path[-1])
    if named or looks_secret(text, numbered=path[-1] in ("base_url", "key_command")):
        raise BadInput(
            "That is a secret, and the settings file is not encrypted; nothing was written.",
            hint="Set a key inside the app (it is stored encrypted), or name what has it: key_env, key_command.",
        )


def _check(table: Mapping[tuple[str, ...], Any]) -> None:
    """Raise BadInput for the first value that a settings file may not hold."""
    for path, value in table.items():
        if isinstance(value, str):
            _refuse_secret(path, value)
        if problem := problem_of(path, value):
            raise BadInput(f"{'.'.join(path)} {problem.what}.", hint="Nothing was changed.")
