# SPDX-License-Identifier: Apache-2.0
"""The removal of one copy, from its beginning to its end.

First it is written down that the copy leaves, so that nobody else takes
another one of the image, or brings one. Only then Glance is asked what there
is, whether the copy may leave still, and to remove it.
"""

import dataclasses
import enum
import secrets
import time

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins.placement import copy_note
from dcn_plugins.placement import eviction
from dcn_plugins.placement import image as images
from dcn_plugins.placement import image_import
from dcn_plugins.placement import removal as steps
from dcn_plugins.placement import verdict

LOG = logging.getLogger(__name__)

#: Between the note that Glance is asked and the request there is nothing to
#: wait for. A process that stood still for longer does not ask.
MOST_SECONDS = 30.0


class Result(enum.Enum):
    """What has come of a removal.

    ``AWAY``: the store, or Glance, does not answer; it would be the same with
    the next copy there.
    """

    ASKED = 'asked'
    KEPT = 'kept'
    AWAY = 'away'


def copy_of(placement, store, kept, image):
    """Return the ``eviction.Copy`` of an image as Glance answers."""
    return eviction.copy_of(placement, store, kept, image.get('size') or 0,
                            bool(image.get(image_import.TASK)))


class CopyRemover:
    """Remove copies, one after the other.

    Methods raise ``EtcdError`` when etcd does not answer; another worker
    finishes what was begun.

    :param removals: :class:`~dcn_plugins.placement.removals.Removals`.
    :param api: :class:`~dcn_plugins.glance.image_api.ImageAPI`.
    :param users: :class:`~dcn_plugins.glance.copy_users.CopyUsers`.
    :param policy: called without arguments; returns the policy in force.
    :param holder: the name of this process, that no other one has.
    :param clock: seconds since 1970.
    :param elapsed: seconds that never go back.
    """

    def __init__(self, removals, api, users, policy, holder, clock=time.time,
                 elapsed=time.monotonic):
        self._removals = removals
        self._api = api
        self._users = users
        self._policy = policy
        self._holder = holder
        self._clock = clock
        self._elapsed = elapsed

    def remove(self, leaving, store, stores):
        """Remove a copy; return the :class:`Result`.

        :param leaving: :class:`~dcn_plugins.placement.eviction.Leaving`.
        :param stores: frozenset of the names of all stores.
        :raises RemovalLost: if somebody else has taken it over.
        """
        now = self._clock()
        removal = steps.made(leaving, store, self._name(), now)
        held = self._removals.begin(removal)
        if held is None:
            LOG.debug('Image %s does not leave %s now: one of its copies is '
                      'leaving, or coming', leaving.image_id, store)
            return Result.KEPT
        try:
            self._check(held.removal, leaving.state, stores)
        except (exceptions.RemovalRefused, exceptions.CopyPostponed,
                exceptions.CopyRefused) as exc:
            self._keep(held, exc)
            return (Result.AWAY if getattr(exc, 'is_away', False)
                    else Result.KEPT)
        return self._ask(held)

    def finish(self, held):
        """Go on with a removal that nobody takes care of, if it is due.

        Its worker has ended, or an operator has asked for it.

        :raises RemovalLost: if somebody else does.
        """
        held = self._removals.take(held, self._name())
        if held is None:
            return
        removal, now = held.removal, self._clock()
        if steps.is_open(removal, now):
            self._carry_out(held)
            return
        if not steps.is_quiet(removal, now):
            self._removals.change(held, steps.unanswered(removal))
            return
        try:
            if removal.asked_at is not None:
                # What has waited for the store goes on when it is back.
                self._users.reach(removal.image_id, removal.store)
            image = self._api.get_image(removal.image_id)
        except exceptions.RemovalRefused as exc:
            LOG.info('It is not known whether image %s has left %s: %s',
                     removal.image_id, removal.store, exc.reason)
            self._removals.change(held, steps.unreachable(removal, now))
            return
        if removal.asked_at is not None and removal.store not in (
                copy_need.names((image or {}).get('stores'))):
            self._gone(held)
            return
        self._removals.end(held, removal.asked_at and copy_note.kept(
            None, 'Glance was asked to remove it and has not', now))

    def _carry_out(self, held):
        """Remove what an operator wants to leave, unless it has to stay."""
        removal = held.removal
        try:
            _policy, placement, kept, image = self._look(
                removal, frozenset(self._api.get_stores(removal.image_id)))
            reason = eviction.why_kept(placement, removal.store, kept,
                                       bool(image.get(image_import.TASK)))
            if reason:
                raise exceptions.RemovalRefused(removal.image_id,
                                                removal.store, reason)
            self._users.check(removal.image_id, removal.store)
        except (exceptions.RemovalRefused, exceptions.CopyPostponed,
                exceptions.CopyRefused) as exc:
            self._keep(held, exc)
            return
        # It would come back at once from where the policy wants it.
        self._ask(dataclasses.replace(held, removal=dataclasses.replace(
            removal, is_wanted=removal.store in placement.wanted)))

    def _look(self, removal, stores):
        """Return what decides about a copy, as things are now.

        The policy, what it says, the store of the copy that stays in any
        case, and the image.
        """
        image = self._api.get_image(removal.image_id) or {}
        policy = self._policy()
        present = copy_need.names(image.get('stores'))
        if policy is None:
            raise exceptions.RemovalRefused(
                removal.image_id, removal.store, 'no policy is in force')
        if image.get('status') != 'active' or removal.store not in present:
            raise exceptions.RemovalRefused(
                removal.image_id, removal.store, 'it has changed meanwhile')
        placement = verdict.decide(images.image_of(image), policy, stores,
                                   self._clock())
        return policy, placement, eviction.keeper(placement, present), image

    def _check(self, removal, state, stores):
        """Raise why a copy is not removed, as things are now."""
        policy, placement, kept, image = self._look(removal, stores)
        copy = copy_of(placement, removal.store, kept, image)
        rule = policy.eviction_of(removal.store, stores)
        if (rule is None or copy.state is not state
                or not eviction.is_movable(copy, rule)):
            raise exceptions.RemovalRefused(
                removal.image_id, removal.store, 'its copies, or the policy, '
                'have changed meanwhile')
        self._users.check(removal.image_id, removal.store)

    def _ask(self, held):
        removal = held.removal
        begun_at = self._elapsed()
        held = self._removals.change(
            held, steps.asked(removal, self._clock()))
        try:
            if self._elapsed() - begun_at > MOST_SECONDS:
                raise exceptions.RemovalRefused(
                    removal.image_id, removal.store,
                    'this process has stood still')
            self._api.remove_copy(removal.image_id, removal.store)
        except (exceptions.RemovalRefused, exceptions.CopyRefused) as exc:
            self._keep(held, exc)
        except exceptions.RemovalUnanswered as exc:
            LOG.warning('%s', exc)
            self._removals.change(held, steps.unanswered(held.removal))
            return Result.AWAY
        else:
            self._gone(held)
        return Result.ASKED

    def _gone(self, held):
        self._removals.gone(held)
        LOG.info('Image %s has left %s: %s', held.removal.image_id,
                 held.removal.store, held.removal.reason)

    def _keep(self, held, exc):
        removal = held.removal
        note = self._removals.notes_of(
            removal.image_id, [removal.store]).get(removal.store)
        self._removals.end(held, copy_note.kept(
            note, exc.reason, self._clock(),
            getattr(exc, 'is_used', False)))
        LOG.info('Image %s stays in %s: %s', removal.image_id, removal.store,
                 exc.reason)

    def _name(self):
        return f'{self._holder} {secrets.token_urlsafe(9)}'
