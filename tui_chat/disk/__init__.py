"""Where things live on this computer: places, private files, the settings, the profiles, the log.

Everything here is small and blocking; the event loop reaches it through ``asyncio.to_thread``.
Folders are 0700 and files 0600. Nothing in these files is secret, and nothing secret may be put
there: names of profiles, looks and addresses can be read by anyone who has the disk.
"""
