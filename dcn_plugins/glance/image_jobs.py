# SPDX-License-Identifier: Apache-2.0
"""The claimed jobs of one image, from asking Glance to their end.

Glance copies; here is only asked, looked and noted. Each look starts from what
Glance says now, so it goes on with what another worker has begun.
"""

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins.placement import image_import
from dcn_plugins.placement import job as jobs

LOG = logging.getLogger(__name__)

#: How soon a job is tried again that had to make room for somebody else.
BUSY_SECONDS = 10.0


class ImageJobs:
    """Jobs of one image that this process has claimed.

    :param claims: :class:`~dcn_plugins.placement.job_claims.JobClaims`.
    :param api: :class:`~dcn_plugins.glance.image_api.ImageAPI`.
    :param is_forbidden: called with the image and the name of a store.
    :param count: of :class:`~dcn_plugins.placement.numbers.Numbers`.
    """

    def __init__(self, image_id, claims, api, is_forbidden,
                 count=lambda store, **values: None):
        self.image_id = image_id
        self.held = {}
        self._claims = claims
        self._api = api
        self._is_forbidden = is_forbidden
        self._count = count
        self._asked = set()

    def add(self, held):
        """Take a claimed job."""
        self.held[held.job.store] = held
        self._asked.discard(held.job.store)

    def advance(self):
        """Look once, and ask Glance for what nobody copies yet.

        :raises EtcdError: if etcd is away; the next look makes up for it.
        """
        self._forget_lost()
        if not self.held:
            return
        try:
            image = self._api.get_image(self.image_id)
            self._advance(image)
        except exceptions.CopyPostponed as exc:
            self._postpone(exc.reason)
        except exceptions.CopyRefused as exc:
            # The operator may correct what is refused, so it is tried again.
            LOG.error('%s', exc)
            self._end_all(self._to_ask(), self._claims.failed, exc.reason)

    def give_back(self):
        """Let others go on with all of it, as this process ends."""
        self._end_all(list(self.held), self._claims.postponed,
                      'the worker has ended', 0.0)

    def _advance(self, image):
        if image is None:
            # Deleted, or a user who sees nothing: the reconciler knows.
            self._end_all(list(self.held), self._claims.dropped)
            return
        present = copy_need.names(image.get('stores'))
        for store in present:
            if store in self.held:
                self._end(store, self._claims.done)
                LOG.info('Image %s is in %s', self.image_id, store)
        self._stop_unwanted(image)
        if not self.held:
            return
        if image.get('status') != 'active':
            self._postpone(f'its status is {image.get("status")}')
        elif image.get(image_import.TASK):
            self._watch(copy_need.names(
                image.get(image_import.IMPORTING)))
        else:
            self._end_all(
                [store for store in self.held if store in self._asked],
                self._claims.failed, 'Glance has failed to copy it; its log '
                'and the message of its task have the cause')
            self._ask()

    def _stop_unwanted(self, image):
        """Give back what an operator, a policy or a deletion has stopped."""
        for store in list(self.held):
            try:
                job = self._claims.look(self.held[store])
            except exceptions.ClaimLost:
                self._lose(store)
                continue
            if job is None or self._is_forbidden(image, store):
                self._end(store, self._claims.dropped)
            elif job.state is not jobs.State.WAITING:
                self._end(store, self._claims.postponed, job.reason, 0.0)

    def _watch(self, importing):
        """Wait for what is on its way; make room for other imports."""
        self._asked.update(store for store in importing if store in self.held)
        if not self._asked & self.held.keys():
            self._postpone('Glance is busy with another import of it')

    def _ask(self):
        stores = self._to_ask()
        # The least one that is provably ours to ask for.
        stores = [store for store in stores
                  if self._claims.is_valid(self.held[store])]
        if stores:
            self._api.request_copy(self.image_id, stores)
            self._asked.update(stores)
            LOG.info('Glance was asked to copy image %s to %s', self.image_id,
                     ','.join(stores))

    def _to_ask(self):
        return [store for store in self.held if store not in self._asked]

    def _postpone(self, reason):
        self._end_all(self._to_ask(), self._claims.postponed, reason,
                      BUSY_SECONDS)

    def _end_all(self, stores, end, *arguments):
        for store in stores:
            self._end(store, end, *arguments)

    def _end(self, store, end, *arguments):
        try:
            end(self.held[store], *arguments)
            if end == self._claims.failed:
                self._count(store, failures=1)
            elif end == self._claims.done:
                self._count(store, copies=1)
        except exceptions.ClaimLost as exc:
            LOG.info('%s', exc)
        # Not if etcd is away: it is ended at the next look then.
        self._lose(store)

    def _lose(self, store):
        del self.held[store]
        self._asked.discard(store)

    def _forget_lost(self):
        for store, held in list(self.held.items()):
            if not self._claims.is_valid(held):
                LOG.warning('%s', exceptions.ClaimLost(self.image_id, store))
                self._lose(store)
