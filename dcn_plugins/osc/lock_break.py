# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn lock break``: end a holder who hangs, or is gone.

Nobody is fenced here, where there is no Ceph. What ends is the lease of the
holder's process, in etcd; his fence record stays, and whoever is next fences
him before he is granted, as after a crash.
"""

import functools
import sys
import time

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_keys
from dcn_plugins.osc import breakage
from dcn_plugins.osc import columns
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import lock
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site

_AGAIN = 'To call it again does no harm'


class BreakLock(command.Lister):
    """Take a lock from a holder who hangs, with all else that he holds.

    The lease of his process ends, as if it had died. Whoever is next cuts him
    off from Ceph and ends his work first. A lock without a fence record, and
    one of a backend that cuts nobody off, is not broken unless the risk is
    accepted: two may write then.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        parser.add_argument('lock', metavar='<lock>', help='Name of a lock')
        parser.add_argument(
            '--claim', metavar='<claim>',
            help='Break it only if this claim holds it, see "openstack dcn '
                 'lock show"')
        parser.add_argument(
            '--yes', action='store_true',
            help='Do not ask; must be there when nobody can be asked')
        parser.add_argument(
            '--accept-risk', action='store_true',
            help='Break it although its holder may go on writing beside the '
                 'next one')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        seconds = parsed_args.site_seconds
        name = parsed_args.site
        pane.chosen(site.pane_of(self.app, parsed_args).entries(), [name])
        found = lock.lock_list(client, name, seconds)
        pools = reading.Reading(client.cloud.pools,
                                parsed_args.service_seconds)
        locks = lock.known(reading.read_all(
            {'locks': found.locks}, seconds)['locks'], name)
        if parsed_args.lock not in locks:
            raise lock.missing(parsed_args.lock, name)
        claim = breakage.holder_of(locks[parsed_args.lock], parsed_args.claim)
        losses = breakage.losses(locks, claim.lease)
        self._show(locks[parsed_args.lock], claim, losses, reading.read_all(
            {'lease': functools.partial(found.lease_seconds, claim.lease)},
            seconds)['lease'])
        self._refuse_risk(losses, claim, pools.fact(),
                          parsed_args.accept_risk)
        if not parsed_args.yes:
            _ask()
        self._break(client.lock_breaker_of(name, seconds), lock_keys.Place(
            parsed_args.lock, claim.mode, claim.kind, claim.claim), claim,
            seconds)
        return (('Lock', 'Claim', 'Was', 'Mode', 'Operations',
                 'To be fenced'), [
            (lost.lock, lost.claim.claim, lost.role,
             lock.MODES.get(lost.claim.mode, ''),
             columns.ListColumn(lost.operations),
             columns.ListColumn(lost.addresses)) for lost in losses])

    def _refuse_risk(self, losses, claim, pools, is_accepted):
        """Raise NotDone if the next holder may not be alone.

        Of all that ends what leaves records is looked at. Cinder's own locks
        leave none: they end, too, and guard nothing in Ceph.
        """
        for lost in losses:
            is_meant = lost.claim.claim == claim.claim
            if lost.role != 'holder' or not (
                    is_meant or lost.claim.kind == lock_keys.GUARDED):
                continue
            risk = breakage.risk_of(lost, pools)
            if risk and not is_accepted:
                raise exceptions.NotDone(
                    f'the lock {lost.lock} of {lost.claim.text} is not '
                    f'broken: {risk}', 'End its process first, and the lock '
                    'ends by itself; or give --accept-risk, and two may '
                    'write at the same time')
            if risk:
                self.log.warning('%s: %s', lost.lock, risk)

    def _show(self, found, claim, losses, lease):
        """Say what is about to end, and who waits for it."""
        mine = next(lost for lost in losses if lost.claim == claim)
        since, heard = claim.claimed_at, ''
        if lease.is_known and lease.value:
            left, granted = lease.value
            heard = f', last heard {facts.duration(granted - left)} ago'
        self.log.warning(
            '%s is held by %s (claim %s), claimed %s%s, for: %s', found.name,
            claim.text, claim.claim, 'nobody knows when' if since is None
            else f'{facts.duration(max(0, time.time() - since))} ago', heard,
            ', '.join(mine.operations) or 'nobody knows what')
        self.log.warning('Waiting for it: %s', ', '.join(
            waiting.text for waiting in found.waiting) or 'nobody')
        others = [lost for lost in losses if lost.claim.claim != claim.claim]
        self.log.warning(
            'With it %d other locks of the same process end: %s', len(others),
            ', '.join(f'{lost.lock} ({", ".join(lost.operations) or "-"})'
                      for lost in others) or 'none')

    def _break(self, breaker, place, claim, seconds):
        try:
            is_ended = breaker.end_lease(place, claim.token, seconds)
        except exceptions.EtcdError as exc:
            raise exceptions.NotDone(
                f'it is not known whether the lock {place.name} was broken: '
                f'{exc}', f'{_AGAIN}, with a longer --site-seconds if etcd '
                'is slow') from exc
        if not is_ended:
            raise exceptions.NotDone(
                f'{claim.claim} holds the lock {place.name} no more; nothing '
                'was done', 'See with "openstack dcn lock show" who has it')


def _ask():
    """Ask at the terminal; raises NotDone unless the answer is yes."""
    if not sys.stdin.isatty():
        raise exceptions.NotDone(
            'nothing was done: there is no terminal to ask at', 'Give --yes, '
            'and --claim to be sure that it is the holder that you have seen')
    # The table goes to standard output.
    print('Break it? [y/N] ', end='', file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ('y', 'yes'):
        raise exceptions.NotDone('nothing was done', 'Answer y to break it')
