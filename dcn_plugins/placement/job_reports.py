# SPDX-License-Identifier: Apache-2.0
"""What whoever copies an image tells about its jobs.

It stands in the claim of the worker that waits for the copy, and so needs no
key of its own, hangs on the same lease, and is gone with the claim. Whoever
copies is mostly another process than that worker.

Error handling: ``EtcdError`` when etcd does not answer or refuses. Then there
are no numbers, or older ones; nothing else depends on them.
"""

from dcn_plugins.placement import job_requests
from dcn_plugins.placement import jobs
from dcn_plugins.placement import stored_keys


class JobReports:
    """Reports of one process; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param prefix: of all keys.
    """

    def __init__(self, client, prefix):
        self._keys = stored_keys.StoredKeys(client)
        self._requests = job_requests.Requests(prefix)
        self._jobs = jobs.Jobs(client, prefix)

    def report(self, image_id, found):
        """Write how far copies are; return for how many stores that was.

        What nobody has claimed is a copy that no job is about.

        :param found: :class:`~dcn_plugins.placement.job_progress.Progress`
            by the names of stores.
        """
        claims = self._jobs.claims(image_id)
        return sum(
            bool(self._keys.call(self._requests.report(
                image_id, store, claims[image_id, store], progress)).get(
                    'succeeded'))
            for store, progress in found.items()
            if (image_id, store) in claims)
