# SPDX-License-Identifier: Apache-2.0
"""Compare what a policy wants with what Glance has, and register jobs."""

import collections
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins.placement import image as images
from dcn_plugins.placement import plan as plans
from dcn_plugins.placement import survey as surveys
from dcn_plugins.placement import verdict

LOG = logging.getLogger(__name__)

#: Jobs that there may be before a comparison of all images registers no more;
#: each worker lists them all. The next comparison registers the rest.
MOST_JOBS = 10000

#: How long a deleted image is remembered: for longer than a site is away.
TOMBSTONE_SECONDS = 30 * 86400.0

#: How old a tombstone is at least that an image contradicts which is listed.
#: A list may have been read before the deletion.
CONTRADICTED_SECONDS = 3600.0

# Characters of a user's in one line of the log.
_MOST_TOLD = 300


class Reconciler:
    """What is to be copied, for one image or for all.

    Methods raise ``CopyPostponed`` or ``CopyRefused`` when Glance does not
    answer, and ``EtcdError`` when etcd does not. Nothing is lost then: the
    next comparison finds it again.

    :param api: :class:`~dcn_plugins.glance.image_api.ImageAPI`.
    :param jobs: :class:`~dcn_plugins.placement.jobs.Jobs`.
    :param policy: called without arguments; returns the policy in force, or
        ``None``, and then nothing is done.
    :param note: called with the
        :class:`~dcn_plugins.placement.survey.Survey` of each comparison of
        all images.
    """

    def __init__(self, api, jobs, policy, clock=time.time,
                 note=lambda survey: None):
        self._api = api
        self._jobs = jobs
        self._policy = policy
        self._clock = clock
        self._note = note
        self._told = None

    @property
    def policy(self):
        """The policy in force, or ``None``; another object is a new one."""
        return self._policy()

    def reconcile(self, image_id):
        """Register and drop the jobs of one image.

        :returns: whether that was possible; not as long as an image is on its
            way to become active.
        """
        policy = self._policy()
        image = policy and self._api.get_image(image_id)
        if image is None:
            return True
        if image.get('status') != 'active':
            return image.get('status') not in (
                'queued', 'saving', 'uploading', 'importing')
        stores = frozenset(self._api.get_stores(image_id))
        self._tell_refused(image, policy, stores)
        self._apply(self._plan(image, policy, stores,
                               self._jobs.entries(image_id)), image_id)
        return True

    def reconcile_all(self):
        """Compare all images; return how many jobs were registered."""
        policy = self._policy()
        if policy is None:
            return 0
        began_at = self._clock()
        stores = frozenset(self._api.get_stores('(all)'))
        survey = surveys.Survey(began_at, stores)
        self._tell_strangers(policy, stores)
        entries = collections.defaultdict(list)
        for entry in self._jobs.entries():
            entries[entry.job.image_id].append(entry)
        tombstones = self._jobs.tombstones()
        room = MOST_JOBS - sum(map(len, entries.values()))
        count, listed = 0, set()
        for image in self._api.list_images():
            listed.add(image['id'])
            self._contradict(image['id'], tombstones)
            plan = self._plan(image, policy, stores,
                              entries.get(image['id'], ()), survey)
            count += self._apply(plan, image['id'], room - count)
        self._drop_orphans(entries, listed)
        self._drop_old(tombstones)
        if count >= room:
            LOG.warning('There are %d jobs of image placement; more are '
                        'registered when these have ended', MOST_JOBS)
        survey.seconds = max(0.0, self._clock() - survey.began_at)
        try:
            self._note(survey)
        except exceptions.EtcdError as exc:
            # All else is done, and nothing waits for numbers.
            LOG.debug('The comparison of all images is not noted: %s', exc)
        return count

    def is_forbidden(self, image, store):
        """Return whether a residency forbids an image in a store now."""
        policy = self._policy()
        return policy is not None and store in verdict.decide(
            images.image_of(image), policy, frozenset([store]),
            self._clock()).forbidden

    def _plan(self, image, policy, stores, entries, survey=None):
        now = self._clock()
        found = verdict.decide(images.image_of(image), policy, stores, now)
        present = copy_need.names(image.get('stores'))
        if survey is not None:
            survey.add(found, present)
        return plans.plan(found, present, entries, now)

    def _apply(self, plan, image_id, room=MOST_JOBS):
        """Return how many jobs were registered."""
        for store in plan.drop:
            self._jobs.drop(image_id, store)
        registered = plan.register[:max(0, room)]
        for job in registered:
            if self._jobs.register(job) is None:
                LOG.debug('Image %s was deleted', image_id)
                return 0
        if registered:
            LOG.info('Image %s is to be copied to %s', image_id,
                     ','.join(job.store for job in registered))
        return len(registered)

    def _drop_orphans(self, entries, listed):
        """Drop jobs of images that are gone, which nobody has told us."""
        for image_id in entries.keys() - listed:
            if self._api.get_image(image_id) is None:
                for entry in entries[image_id]:
                    self._jobs.drop(image_id, entry.job.store)

    def _contradict(self, image_id, tombstones):
        # Glance takes the id of an image anew whose rows were purged.
        if self._clock() - tombstones.get(image_id, self._clock()) > (
                CONTRADICTED_SECONDS):
            del tombstones[image_id]
            self._jobs.unbury(image_id)

    def _drop_old(self, tombstones):
        for image_id, buried_at in tombstones.items():
            if self._clock() - buried_at > TOMBSTONE_SECONDS:
                self._jobs.unbury(image_id)

    def _tell_refused(self, image, policy, stores):
        """Say what a user has asked for in vain, once for each event."""
        refused = verdict.decide(images.image_of(image), policy, stores,
                                 self._clock()).refused
        if refused:
            LOG.warning('Image %s: its %s names what is no store, or none '
                        'that may be asked for, and has no effect: %a',
                        image['id'], images.PROPERTY,
                        ', '.join(refused)[:_MOST_TOLD])

    def _tell_strangers(self, policy, stores):
        strangers = policy.strangers(stores)
        if strangers and strangers != self._told:
            LOG.warning('%s names what is no store of the glance-api that '
                        'was asked: %s', policy.source, ', '.join(
                            f'{name} (line {line})'
                            for line, name in strangers))
        self._told = strangers
