# SPDX-License-Identifier: Apache-2.0
"""One request for the removal of a copy, and what becomes of it.

Glance is not asked from here. It removes a copy in RBD that something was
cloned from where Ceph makes clones of version 2, and only a glance-api that
has the store can look. So the request is the removal itself, in etcd: from
then on no other copy of the image leaves and none comes, and a worker that has
the store carries it out or ends it.
"""

import contextlib
import secrets
import socket
import time

from dcn_plugins import exceptions
from dcn_plugins.osc import site_facts
from dcn_plugins.placement import eviction
from dcn_plugins.placement import image as images
from dcn_plugins.placement import image_import
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import verdict

#: Between two looks at a removal.
LOOK_SECONDS = 2.0


class ImageEviction:
    """The removal of the copy of an image in a store.

    Methods raise ``EtcdError`` when the etcd of the jobs does not answer.

    :param cloud: :class:`~dcn_plugins.osc.cloud.Cloud`.
    :param removals: :class:`~dcn_plugins.placement.removals.Removals`.
    :param seconds: how long Glance may take for an answer.
    """

    def __init__(self, cloud, removals, image_id, store, seconds,
                 clock=time.time, elapsed=time.monotonic, sleep=time.sleep):
        self._cloud = cloud
        self._removals = removals
        self._image_id = image_id
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._elapsed = elapsed
        self._sleep = sleep
        self._held = None
        #: What to call it if it is not gone: a glance-api may be at it.
        self.state = 'stays'

    def refuse_kept(self, policy, image, stores):
        """Ask for nothing that the worker would refuse by the policy.

        :param policy: ``None`` if none is known here; the worker knows.
        :raises NotDone: that says why the copy stays.
        """
        if policy is None:
            return
        placement = verdict.decide(images.image_of(image), policy,
                                   frozenset(stores), self._clock())
        kept = eviction.keeper(placement, site_facts.stores_of(image))
        reason = eviction.why_kept(placement, self._store, kept,
                                   bool(image.get(image_import.TASK)))
        if reason:
            raise self._stays(reason)

    def request(self):
        """Register the removal.

        :raises NotDone: if something else happens to the image.
        """
        host = socket.gethostname()
        removal = steps.requested(
            self._image_id, self._store, f'{host} {secrets.token_urlsafe(9)}',
            f'an operator at {host} has asked for it', self._clock())
        try:
            self._held = self._removals.begin(removal)
        except exceptions.EtcdUnavailable as exc:
            if not exc.is_sent:
                raise
            raise self._unknown(exc) from exc
        if self._held is None:
            raise self._stays(
                'another copy of it leaves or comes, a job is about that '
                'store, or it was deleted',
                f'See "openstack dcn job list --image {self._image_id}", and '
                'try again')

    def wait(self, seconds, told_seconds=None):
        """Wait until the copy has gone.

        When the time is over the request is withdrawn, unless a worker is at
        it.

        :param told_seconds: how long it had altogether, for people.
        :raises NotDone: if it stays, or if the time is over.
        """
        ends_at = self._elapsed() + seconds
        while self._is_there():
            if self._elapsed() >= ends_at:
                self._withdraw(told_seconds or seconds)
            self._sleep(min(LOOK_SECONDS,
                            max(0.0, ends_at - self._elapsed())))
        image = self._image()
        if image is not None and self._store in site_facts.stores_of(image):
            note = self._removals.notes_of(
                self._image_id, [self._store]).get(self._store)
            # One that is older is about another try.
            is_new = note and note.due_at > self._held.removal.registered_at
            raise self._stays(note.reason if is_new else
                              'the glance-api that has the store did not '
                              'remove it', 'See its log, and "openstack dcn '
                              f'image show {self._image_id}"')

    def _is_there(self):
        try:
            found = self._removals.of(self._image_id)
        except exceptions.EtcdError:
            # It is asked again, as long as there is time.
            return True
        mine = self._held.removal
        return (found is not None and found.is_requested
                and (found.store, found.registered_at)
                == (mine.store, mine.registered_at))

    def _withdraw(self, seconds):
        try:
            self._removals.end(self._held)
        except exceptions.RemovalLost:
            self.state = 'leaving'
            raise exceptions.NotDone(
                f'image {self._image_id} has not left {self._store} after '
                f'{seconds:g} s, and a glance-api is at it', 'It goes on: '
                f'see "openstack image show {self._image_id}"') from None
        except exceptions.EtcdError as exc:
            raise self._unknown(exc) from exc
        raise self._stays(
            f'no glance-api that has the store has taken it up in {seconds:g} '
            's; the request was withdrawn', 'See whether one runs there with '
            '[dcn] placement_jobs_url, and has had its first request')

    def _image(self):
        try:
            return self._cloud.get_image(self._image_id, self._seconds)
        except exceptions.ServiceError as exc:
            if exc.status != 404:
                raise
            return None

    def _stays(self, reason, remedy=None):
        return exceptions.NotDone(
            f'image {self._image_id} stays in {self._store}: {reason}',
            remedy or f'Nothing was removed from {self._store}')

    def withdraw(self):
        """Take a request back that nobody has taken up; whatever comes of it.

        One that cannot be taken back ends by itself.
        """
        with contextlib.suppress(exceptions.NotDone):
            self._withdraw(0.0)

    def _unknown(self, exc):
        self.state = 'unknown'
        return exceptions.NotDone(
            f'it is not known whether image {self._image_id} leaves '
            f'{self._store}: {exc}', 'A request that nobody has taken up '
            'within an hour ends by itself; see "openstack image show '
            f'{self._image_id}"')
