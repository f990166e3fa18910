# SPDX-License-Identifier: Apache-2.0
"""The one thread of a process that has copies leave its stores.

A process looks after the stores that its own glance-api has, so that it can
ask them what was cloned from a copy. Of several that have a store one does.
"""

import collections
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins.glance import copy_removal
from dcn_plugins.glance import copy_users
from dcn_plugins.glance import image_api
from dcn_plugins.glance import rounds
from dcn_plugins.glance import store_locks
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import eviction
from dcn_plugins.placement import image as images
from dcn_plugins.placement import policy_file
from dcn_plugins.placement import size
from dcn_plugins.placement import verdict

LOG = logging.getLogger(__name__)

#: How often removals of workers that have ended are looked for.
LOOK_SECONDS = 30.0

#: How long a removal is left to those who have its store.
ABANDONED_SECONDS = 86400.0

_HOUR = 3600.0


def made(conf, found):
    """Return the evictor of this process.

    :param conf: of Glance.
    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    """
    path = conf.dcn.placement_policy_file

    def policy():
        return policy_file.shared(path).current()

    api, users = image_api.ImageAPI(conf), copy_users.CopyUsers(conf)
    return Evictor(
        found, api, policy, users.stores(), copy_removal.CopyRemover(
            found.removals, api, users, policy, found.holder),
        conf.dcn.placement_reconcile_seconds,
        conf.dcn.placement_removals_per_hour)


class Evictor(rounds.Rounds):
    """Compare stores with the policy, and remove what has to leave.

    :param found: :class:`~dcn_plugins.glance.placement_jobs.PlacementJobs`.
    :param policy: called without arguments; returns the policy in force, or
        ``None``, and then nothing is removed.
    :param own: names of the stores of this glance-api.
    :param remover: :class:`~dcn_plugins.glance.copy_removal.CopyRemover`.
    :param most: how often Glance is asked in an hour, at most.
    """

    def __init__(self, found, api, policy, own, remover, compare_seconds,
                 most, clock=time.time, elapsed=time.monotonic):
        super().__init__('dcn_evict', 'removal of copies',
                         lambda: LOOK_SECONDS)
        self._found = found
        self._api = api
        self._policy = policy
        self._own = own
        self._remover = remover
        self._compare_seconds = compare_seconds
        self._most = most
        self._clock = clock
        self._elapsed = elapsed
        self._asked = collections.deque()
        self._locks = store_locks.StoreLocks(found.locks, 'evict')
        self._over = {}
        self._compared_policy = None
        self._compare_at = elapsed()

    def work(self):
        """Finish removals that were begun, and begin what is due."""
        self._finish()
        self._compare()

    def _finish(self):
        """Go on with removals that nobody takes care of."""
        for held in self._found.removals.all():
            late = self._clock() - held.removal.due_at
            if late >= 0 and (held.removal.store in self._own
                              or late > ABANDONED_SECONDS):
                try:
                    self._remover.finish(held)
                except exceptions.RemovalLost as exc:
                    LOG.debug('%s', exc)

    def _compare(self):
        policy, now = self._policy(), self._elapsed()
        if policy is None or (policy is self._compared_policy
                              and now < self._compare_at):
            return
        if policy.evictions:
            self._compare_stores(policy)
        elif self._compared_policy is not policy:
            # Forget what nothing is to leave any more.
            self._found.removals.clear_notes(self._own)
        # Only now: what was broken off is soon looked at again.
        self._compared_policy = policy
        self._compare_at = now + self._compare_seconds

    def _compare_stores(self, policy):
        stores = frozenset(self._api.get_stores('(all)'))
        rules = {store: policy.eviction_of(store, stores)
                 for store in sorted(self._own & stores)}
        if self._compared_policy is not policy:
            self._found.removals.clear_notes(
                store for store, rule in rules.items() if rule is None)
        rules = {store: rule for store, rule in rules.items()
                 if rule is not None and self._locks.take(store)}
        if rules:
            found = self._copies(policy, stores, rules)
            for store, rule in rules.items():
                self._evict(store, rule, *found[store], stores)

    def _copies(self, policy, stores, rules):
        """Return ``[copies that are movable, bytes of others]`` by store."""
        now = self._clock()
        found = {store: [[], 0] for store in rules}
        for image in self._api.list_images():
            present = copy_need.names(image.get('stores'))
            here = found.keys() & set(present)
            if not here:
                continue
            placement = verdict.decide(images.image_of(image), policy, stores,
                                       now)
            kept = eviction.keeper(placement, present)
            for store in here:
                copy = copy_removal.copy_of(placement, store, kept, image)
                if eviction.is_movable(copy, rules[store]):
                    found[store][0].append(copy)
                else:
                    found[store][1] += copy.size
        return found

    def _evict(self, store, rule, copies, kept_bytes, stores):
        now = self._clock()
        notes = self._found.removals.notes(store)
        readable = {image_id: note for image_id, note in notes.items()
                    if note is not None}
        plan = eviction.plan(rule, copies, kept_bytes, readable, now)
        self._found.removals.write_notes(store, {
            **dict.fromkeys(notes.keys() - readable.keys()),
            **dict.fromkeys(plan.stale),
            **dict.fromkeys(plan.unseen, copy_note.Note(now))})
        self._tell_over(store, rule, plan.over_bytes)
        for leaving in plan.leaving:
            if (self._stopped.is_set() or not self._has_room(store)
                    or not self._locks.is_held(store)):
                return
            try:
                result = self._remover.remove(leaving, store, stores)
            except exceptions.RemovalLost as exc:
                LOG.warning('%s', exc)
                continue
            if result is copy_removal.Result.AWAY:
                return
            if result is copy_removal.Result.ASKED:
                self._asked.append(self._elapsed())

    def _has_room(self, store):
        while self._asked and self._asked[0] <= self._elapsed() - _HOUR:
            self._asked.popleft()
        if len(self._asked) < self._most:
            return True
        LOG.info('Copies stay in %s for now: %d an hour may leave ([dcn] '
                 'placement_removals_per_hour)', store, self._most)
        return False

    def _tell_over(self, store, rule, over_bytes):
        if over_bytes and not self._over.get(store):
            LOG.warning(
                'Store %s has %s more than its quota (%r, line %d): what is '
                'there is wanted, pinned, in use, in hand, or the last copy',
                store, size.words(over_bytes), rule.name, rule.line)
        self._over[store] = over_bytes
