# SPDX-License-Identifier: Apache-2.0
"""Ask the database of Glance again when it could not serve us at once."""

from oslo_db import api


def _is_locked(exc):
    """Return whether SQLite has let somebody else go first.

    Glance itself tries again then, where its threads are real ones.
    """
    return 'database is locked' in str(exc)


# After a deadlock, too, nothing at all has been done.
retried = api.wrap_db_retry(
    max_retries=10, retry_interval=0.1, inc_retry_interval=True,
    max_retry_interval=1.0, retry_on_deadlock=True,
    exception_checker=_is_locked)
