"""What the program can do: turns, the library of conversations, endpoints, export and import.

Services know values and ports only; the front ends know services only.
"""
