# SPDX-License-Identifier: Apache-2.0
"""What a process does when it has forked, or has been.

glance-api loads its drivers before it forks its workers, or after, as its
server has it. A thread does not survive a fork.
"""

import os


def follow(begin, end):
    """Call ``begin`` in each child process, and ``end`` in its parent.

    ``begin`` may be called more than once in a process.
    """
    os.register_at_fork(after_in_child=begin, after_in_parent=end)
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    # It forks without Python, and has one hook of its own.
    before = getattr(uwsgi, 'post_fork_hook', None)

    def hook():
        if before is not None:
            before()
        begin()

    uwsgi.post_fork_hook = hook


def is_master():
    """Return whether this is a process of uWSGI that will be forked."""
    uwsgi = _uwsgi()
    return uwsgi is not None and uwsgi.worker_id() == 0


def _uwsgi():
    """Return the module that there is inside uWSGI only, or ``None``."""
    try:
        import uwsgi
    except ImportError:
        return None
    return uwsgi
