"""A private, honest, keyboard-driven chat client for the terminal.

Imports point downwards only, and that direction is the architecture::

                     __main__                 chooses a front end
                        |
                    bootstrap                 the only module that sees every part
    ui   cli   providers   store   crypto   transfer   disk      the rim: siblings, never importing each other
                     services                 what the program can do
                      memory                  what the model gets to remember
                       core                   values, events, ports, errors

The inside (``core``, ``memory``, ``services``) names no library; each part of the rim translates
between one library and the core.
"""

__version__ = "0.1.0"
