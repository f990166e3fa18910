# SPDX-License-Identifier: Apache-2.0
"""What ends when a lock is broken, and what could go wrong. Pure."""

import dataclasses

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_keys
from dcn_plugins.osc import locked

#: What the backends of a cluster publish that cut off whoever loses a lock.
_SAFE = 'blocklist'


@dataclasses.dataclass(frozen=True)
class Loss:
    """A claim that ends with the lease of its process.

    :param lock: name of the lock.
    :param claim: :class:`~dcn_plugins.osc.locked.Claim`.
    :param role: ``holder`` or ``waiting``.
    :param record: what its fence record says; empty if it has none.
    """

    lock: str
    claim: locked.Claim
    role: str
    record: dict

    @property
    def operations(self):
        """Names of what it is held for."""
        return [intent.get('operation', '?')
                for intent in self.record.get('intents', ())]

    @property
    def addresses(self):
        """The clients of Ceph that the next holder cuts off."""
        return list(self.record.get('addresses', ()))


def holder_of(lock, claim_id=None):
    """Return the claim that holds a lock.

    :param lock: :class:`~dcn_plugins.osc.locked.Lock`.
    :param claim_id: the one that is meant.
    :raises NotDone: if nobody holds it, somebody else does, or several do and
        none is named.
    """
    if not lock.holders:
        if lock.left_behind:
            raise exceptions.NotDone(
                f'nobody holds the lock {lock.name}: its holder has ended and '
                'left a fence record', 'There is nothing to break. Whoever is '
                'next, or the caretaker of cinder-volume, fences him and goes '
                'on; see their log if that does not happen')
        raise exceptions.NotDone(
            f'nobody holds the lock {lock.name} yet: {len(lock.waiting)} wait '
            'for it', 'See with "openstack dcn lock list" what else they '
            'wait for')
    named = [claim for claim in lock.holders
             if claim_id in (None, claim.claim)]
    held = ', '.join(f'{claim.claim} ({claim.text})'
                     for claim in lock.holders)
    if not named:
        raise exceptions.NotDone(
            f'{claim_id} does not hold the lock {lock.name}, but {held}; '
            'nothing was done', 'Look again whether that one is to be ended')
    if len(named) > 1:
        raise exceptions.NotDone(
            f'{len(named)} share the lock {lock.name}: {held}; nothing was '
            'done', 'Name one of them with --claim')
    return named[0]


def losses(locks, lease):
    """Return each :class:`Loss` of the process that has a lease.

    :param locks: each :class:`~dcn_plugins.osc.locked.Lock`, by its name.
    """
    return [Loss(name, claim, role, _record(lock, claim))
            for name, lock in locks.items()
            for role, claims in (('holder', lock.holders),
                                 ('waiting', lock.waiting))
            for claim in claims if claim.lease == lease]


def risk_of(found, pools):
    """Return why the next holder may not be alone; empty if he will be.

    :param found: a :class:`Loss`.
    :param pools: the fact of all pools of Cinder.
    """
    if found.claim.kind != lock_keys.GUARDED:
        return ('its claim leaves no fence record, so nobody is cut off from '
                'Ceph')
    fsid = found.record.get('fsid')
    if not fsid or not found.addresses:
        return 'its fence record does not say whom to cut off'
    if not pools.is_known:
        return ('whether the next holder cuts it off is not known, as Cinder '
                f'does not tell its pools ({pools.problem})')
    told = {pool['capabilities'].get('dcn_fence') for pool in pools.value
            if pool['capabilities'].get('dcn_fsid') == fsid}
    if told == {_SAFE}:
        return ''
    if told - {_SAFE, None}:
        return ('a cinder-volume of its Ceph cluster has [dcn] fence = none '
                'or another driver of tooz, and cuts nobody off')
    return ('whether the next holder cuts it off is not known, as not every '
            f'backend of Ceph cluster {fsid} publishes dcn_fence')


def _record(lock, claim):
    record = lock.records.get(claim.claim)
    return locked.record_of(record.text) if record else {}
