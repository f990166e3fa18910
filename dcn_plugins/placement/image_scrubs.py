# SPDX-License-Identifier: Apache-2.0
"""All requests to compare copies, in etcd: ``s/IMAGE`` below the prefix.

There is one at most for an image. Each method raises ``EtcdError`` when etcd
does not answer or refuses.
"""

import dataclasses
import urllib.parse

from dcn_plugins.locking import etcd_requests
from dcn_plugins.placement import image_scrub as steps
from dcn_plugins.placement import stored_keys


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request as it was last read or written.

    :param scrub: :class:`~dcn_plugins.placement.image_scrub.ImageScrub`.
    :param revision: of its key.
    """

    scrub: steps.ImageScrub
    revision: int


class ImageScrubs:
    """The requests below one prefix; thread-safe.

    :param client: :class:`~dcn_plugins.locking.etcd.Client`.
    :param prefix: that of the jobs.
    """

    def __init__(self, client, prefix):
        self._keys = stored_keys.StoredKeys(client)
        self._prefix = f'{prefix.rstrip("/")}/s/'

    def ask(self, scrub):
        """Register a request; return it, or ``None`` if there is another."""
        key = self._key(scrub.image_id)
        return self._written(scrub, etcd_requests.is_absent(key))

    def answer(self, asked, scrub):
        """Write an answer; return whether somebody still waits for it."""
        return self._written(scrub, etcd_requests.was_changed_at(
            self._key(scrub.image_id), asked.revision)) is not None

    def end(self, asked):
        """Remove a request as it is; return whether it was still so."""
        key = self._key(asked.scrub.image_id)
        answer = self._keys.call(etcd_requests.transaction(
            [etcd_requests.was_changed_at(key, asked.revision)],
            [etcd_requests.delete(key)]))
        return bool(answer.get('succeeded')) or answer.is_repeated

    def of(self, image_id):
        """Return the request of an image, or ``None``."""
        return _read(self._keys.call(etcd_requests.transaction(
            success=[etcd_requests.read(self._key(image_id))])))

    def all(self):
        """Return each request that can be read."""
        return list(filter(None, (
            _asked(item) for _key, item in self._keys.items(self._prefix))))

    def _key(self, image_id):
        return self._prefix + urllib.parse.quote(image_id, safe='')

    def _written(self, scrub, condition):
        key = self._key(scrub.image_id)
        answer = self._keys.call(etcd_requests.transaction(
            [condition], [etcd_requests.put(key, steps.text_of(scrub))],
            [etcd_requests.read(key)]))
        if answer.get('succeeded'):
            return Asked(scrub, int(answer['header']['revision']))
        # Of a call that was sent twice the second one fails.
        found = _read(answer)
        return found if found and found.scrub == scrub else None


def _read(answer):
    item = stored_keys.item_read(answer)
    return item and _asked(item)


def _asked(item):
    # Empty if nobody of us has written it.
    scrub = steps.scrub_of(stored_keys.text_of(item))
    return scrub and Asked(scrub, int(item['mod_revision']))
