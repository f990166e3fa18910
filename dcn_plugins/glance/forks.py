# SPDX-License-Identifier: Apache-2.0
"""What a worker of uWSGI does when it has been forked.

uWSGI loads glance-api before it forks its workers, or after, as it is told. A
thread of the operating system does not survive a fork.

``os.register_at_fork`` is of no use for it: a process that is to become
another program, like qemu-img, calls that as well, and a thread that is begun
there under eventlet has the child go on with all green threads of its parent,
and take the data from their sockets.
"""


def follow(begin):
    """Call ``begin`` in each worker of uWSGI; elsewhere do nothing."""
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
