# SPDX-License-Identifier: Apache-2.0
"""When something of a site was last heard by this user.

Nova and Cinder remember signs of life of their services; nobody does so of a
site's etcd. It is a file in the user's cache; without it the age is unknown,
and nothing fails.
"""

import contextlib
import json
import os
import tempfile
import threading


class Memory:
    """Times by site and thing; thread-safe.

    :param path: of the file.
    """

    def __init__(self, path):
        self._path = path
        self._lock = threading.Lock()
        self._noted = {}
        self._known = None

    def heard_at(self, site, thing):
        """Return the seconds since 1970, or ``None`` if it never was."""
        with self._lock:
            if self._known is None:
                self._known = self._read()
            found = self._known.get(f'{site} {thing}')
        return found if isinstance(found, (int, float)) else None

    def note(self, site, thing, at):
        """Remember that it was heard."""
        with self._lock:
            self._noted[f'{site} {thing}'] = at

    def save(self):
        """Write what was noted; what others have noted meanwhile stays."""
        with self._lock:
            noted = dict(self._noted)
        if not noted:
            return
        with contextlib.suppress(OSError):
            directory = os.path.dirname(self._path)
            os.makedirs(directory, mode=0o700, exist_ok=True)
            # Of two commands at once the last one wins, and no reader ever
            # sees half a file.
            handle, scratch = tempfile.mkstemp(dir=directory)
            with os.fdopen(handle, 'w') as file:
                json.dump({**self._read(), **noted}, file)
            os.replace(scratch, self._path)

    def _read(self):
        try:
            with open(self._path, encoding='utf-8') as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
