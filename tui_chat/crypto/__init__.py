"""Keys: who is kept out, and which key opens what.

The attacker has the disk: a stolen laptop, a copied backup, a synchronised folder, another account
on the machine. They may also change files. They do not run code as the user while the program runs.

::

    keyring KEK ──┐
    passphrase ───┼─ wraps ─> root key ─ wraps ─> data key  (one; two only while it is being changed)
    recovery code ┘

* Each line at the left is a *slot* of the key file; any one slot opens the history. Slots are
  independent, because the commonest way to lose an encrypted history is to depend on one desktop's keyring.
* A slot, and each data key, is 32 random bytes under AES-256-GCM, bound by its associated data to
  format, profile and slot: nothing can be moved to another place. A check value beside it (HMAC,
  8 bytes) tells a wrong key from a damaged file.
* The keyring holds one item per profile. It is only ever added, never rewritten, and read back
  before anything depends on it. Each new item has an account name of its own (recorded in the key
  file), so that two processes which start for the first time at once cannot overwrite each other's:
  creating the key file decides, and the loser removes what it added.
* "Nothing in the keyring" while a history exists is an error (``KeyMissing``), never a new key.
* There is no mode without a key and none with a key in a plain file.

Promised: without the keyring item, passphrase or recovery code, the files give away sizes, times and
the slots that exist, and no content; a changed byte is refused.

Not promised: that keys leave the memory of this process (Python cannot wipe them; core dumps are
switched off, swap is not), that a deleted item is gone from a keyring's own backups, that an old
copy of the files put back whole is noticed, or that anything opens without any of its slots.
"""
