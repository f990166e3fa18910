# SPDX-License-Identifier: Apache-2.0
"""Where copies come from and go to: the only module here that knows Ceph."""

import errno
import logging

from dcn_plugins.ceph import checksums
from dcn_plugins.ceph import cluster
from dcn_plugins.ceph import copy_source
from dcn_plugins.ceph import copy_target
from dcn_plugins import exceptions
from dcn_plugins.imagecopy import record
from dcn_plugins.imagecopy import request as requests

LOG = logging.getLogger(__name__)

GRAIN_BYTES, BLOCK_BYTES = checksums.GRAIN_BYTES, checksums.BLOCK_BYTES
#: What a target had when it was opened.
NOTHING, WHOLE = copy_target.Found.NOTHING, copy_target.Found.WHOLE


class Places:
    """Opens the source and the targets of a request.

    :param step: called with the name of what has just been done to a target,
        for tests.
    """

    def __init__(self, request, step=lambda name: None):
        self._request = request
        self._step = step

    def connect(self, place):
        """Return a client of a place; raises CephError."""
        return cluster.Cluster(place)

    def open_source(self):
        """Return the first source that has the image, open.

        :raises SourceMissing: if there is none.
        """
        reasons = []
        for place in self._request.sources:
            client = None
            try:
                client = self.connect(place)
                return copy_source.CopySource(
                    client, place.pool, self._request.name,
                    requests.SNAPSHOT)
            except exceptions.CephError as exc:
                LOG.warning('%s', exc)
                reasons.append(str(exc))
                if client:
                    client.close()
        raise exceptions.SourceMissing(
            self._request.image_id, '; '.join(reasons) or 'there is none')

    def open_target(self, client, place, source, check):
        """Return ``(target, found)``; raises as ``CopyTarget.open``."""
        request = self._request
        text = record.Record(
            request.image_id, source.name, source.size,
            copy_target.now()).to_text()

        def is_ours(found):
            found = record.Record.from_text(found)
            return found is not None and found.is_of(
                request.image_id, source.size)

        target = copy_target.CopyTarget(
            client, place.pool, request.name,
            record.partial_name(request.name), requests.SNAPSHOT,
            source.size, request.object_bytes, record.KEY, is_ours, text,
            check, self._step)
        return target, target.open(request.base)

    @staticmethod
    def explained(client, error):
        """Return an error that says why Ceph does not answer, if it is known.

        :param error: the one that there is.
        :raises CephError: if that cannot be found out either.
        """
        reason = client.full_reason()
        if reason is None:
            return error
        return exceptions.CephRefused(client.doing, reason, errno.ENOSPC)

    @staticmethod
    def sum_of(address, length):
        """Return the checksum of some memory."""
        return checksums.of_memory(address, length, length)[0]

    @staticmethod
    def sum_of_bytes(data):
        """Return the checksum of some bytes."""
        return checksums.of_bytes(data)
