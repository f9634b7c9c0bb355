"""Runs a model file of this computer: llama.cpp's server as a child process, and the files it could run.

Decided:

* A child process, not a library in ours: a crash, an abort or too little memory ends the child, its
  words stay off the screen, and the same OpenAI dialect speaks to it as to any server.
* It ends with the app, even killed with -9: a guard process (a Python that has loaded next to nothing)
  holds a pipe to us. That costs 12 MB, and works where Linux's own means (PDEATHSIG) is missing.
* The system chooses the port while the child binds it, and the child tells it: nobody can take it in
  between. Only 127.0.0.1 listens, and only to whoever has the key, which is made for each start.
* What the child writes is kept while it starts (a few lines, nothing was asked yet), then only read.
* Files are looked for in the folders of four programs, when asked; the user's other folders are not read.
"""

from __future__ import annotations

from tui_chat.local.llama import LlamaCpp

__all__ = ["LlamaCpp"]
