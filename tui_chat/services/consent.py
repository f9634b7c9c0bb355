"""What a person is asked before an endpoint is used that did not come from them, and is asked once."""

from __future__ import annotations

from tui_chat.core.errors import Refused
from tui_chat.core.settings import Endpoint
from tui_chat.services.environment import variable_of
from tui_chat.services.reaching import Reach, reach


def consent_key(endpoint: Endpoint) -> str:
    """Under what name consent to this endpoint is kept; empty where none is needed."""
    if endpoint.from_environment:
        return "" if reach(endpoint) is Reach.LOCAL else f"consent:{endpoint.base_url}"
    if endpoint.key_command is not None and endpoint.key_env is None:
        # With the address: what the command prints must not be sent elsewhere either.
        return f"consent:{endpoint.name}|{endpoint.base_url}|{endpoint.key_command}"
    return ""


def unconfirmed(endpoint: Endpoint) -> Refused:
    """What is said where it is used before."""
    if endpoint.key_command is not None:
        what = f"The key of {endpoint.name!r} comes from a command of the settings file that was not confirmed."
    else:
        what = f"{endpoint.base_url} comes from the environment ({variable_of(endpoint)[0]}) and was not confirmed."
    return Refused(what, hint="Choose the model once with ctrl+o to confirm it.")
