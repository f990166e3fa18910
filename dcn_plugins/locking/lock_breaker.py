# SPDX-License-Identifier: Apache-2.0
"""End the lease of a process that holds a lock, as if it had died.

All that the process has in etcd hangs on that lease. So it loses its other
locks, too; it is told, and begins no change any more. Fence records hang on no
lease: whoever is next finds one without its claim, as after a crash, and
fences before he is granted.
"""

import time

from dcn_plugins import exceptions
from dcn_plugins.locking import etcd
from dcn_plugins.locking import lock_survey


class LockBreaker:
    """Break locks below one prefix.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param keys: :class:`~dcn_plugins.locking.lock_keys.Keys`.
    """

    def __init__(self, client, keys):
        self._client = client
        self._survey = lock_survey.Survey(keys)

    def end_lease(self, place, token, seconds):
        """End the lease of a claim that holds a lock; return whether.

        Not if the claim holds the lock no more: nothing is done then, as
        somebody else may have it. A claim that leaves fence records must have
        one, or nobody would know whom to fence.

        To repeat it does no harm.

        :param place: :class:`~dcn_plugins.locking.lock_keys.Place` of it.
        :param token: of the claim.
        :param seconds: that all of it may take.
        :raises EtcdError: if etcd does not answer in time, or refuses. Of
            ``is_sent`` nobody knows whether the lease has ended.
        """
        ends_at = time.monotonic() + seconds
        lease = self._survey.lease(self._client.transaction(
            self._survey.look_at(place, token), seconds))
        if lease is None:
            return False
        # Only what this process was granted since this look ends unlooked at,
        # and it loses all that it has.
        try:
            self._client.call('/lease/revoke', {'ID': lease},
                              max(0.0, ends_at - time.monotonic()))
        except exceptions.EtcdRefused as exc:
            # It has ended by itself, or by a try that got no answer.
            if not etcd.is_not_found(exc):
                raise
        return True
