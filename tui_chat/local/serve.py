"""A ``llama-server`` out of the xllamacpp wheel: the same environment variables, the same line when it serves.

A program of its own, run by ``guard.py``: the native code and its crashes stay in this process, and
it is the only module that imports xllamacpp. It ends when its stdin does.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

LOG_SECONDS = 0.5
"""The log is written by a thread of its own; what it has not written when the process ends is lost."""


def main() -> None:
    """Serve the model on a free port of the loopback, which it names on stdout."""
    import xllamacpp

    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), os.environ))
    except RuntimeError:  # it says nothing; why, is in the log
        time.sleep(LOG_SECONDS)
        raise SystemExit(1) from None
    address = str(server.listening_address)
    if not address.startswith("http://127.0.0.1:"):
        raise SystemExit("not on the loopback")
    print("listening on", address, flush=True)
    sys.stdin.read()


def _parameters(parameters: Any, environment: Any) -> Any:
    parameters.model.path = environment["LLAMA_ARG_MODEL"]
    parameters.model_alias = {environment["LLAMA_ARG_ALIAS"]}
    parameters.n_ctx = int(environment["LLAMA_ARG_CTX_SIZE"])
    parameters.n_parallel = int(environment["LLAMA_ARG_N_PARALLEL"])
    parameters.api_keys = [environment["LLAMA_API_KEY"]]
    parameters.port = 0
    niceties = {"cache_ram_mib": int(environment["LLAMA_ARG_CACHE_RAM"]), "offline": True, "endpoint_slots": False}
    for name, value in {**niceties, "ui": False, "webui": False}.items():
        if hasattr(parameters, name):  # not every version has each
            setattr(parameters, name, value)
    return parameters


if __name__ == "__main__":
    main()
