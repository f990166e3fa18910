# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn lock list|show``: who has the locks of a site."""

import functools
import time

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.osc import columns
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import locked
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site

MODES = {'x': 'exclusive', 's': 'shared'}


class ListLocks(command.Lister):
    """List the locks that cinder-volume has in the etcd of each site.

    "held" and "waiting" are what they say. "left behind": the holder has died
    or was cut off, and his work is yet to be ended by whoever is next. A site
    whose etcd does not answer is a line of its own.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', nargs='*', metavar='<site>',
                            help='Name of a site (default: all)')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        reader = site.pane_of(self.app, parsed_args)
        names = pane.chosen(reader.entries(), parsed_args.site)
        client = self.app.client_manager.dcn
        told = pane.remembered(client, reading.read_all(
            {name: functools.partial(_locks, client, name) for name in names},
            parsed_args.site_seconds))
        now = time.time()
        return (('Site', 'Lock', 'State', 'Mode', 'Holder', 'Waiting',
                 'Fence records'),
                [row for name, fact in told.items()
                 for row in _rows(name, fact, now)])


class ShowLock(command.Lister):
    """Show all who hold a lock, wait for it, or have died with it.

    "Claimed" is how long ago it was asked for, by the clock of whoever has it
    or waits; "Heard" how long ago his process gave its last sign of life, and
    "Ends in" when the lock is free unless it gives another one.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        parser.add_argument('lock', metavar='<lock>', help='Name of a lock')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        seconds = parsed_args.site_seconds
        pane.chosen(site.pane_of(self.app, parsed_args).entries(),
                    [parsed_args.site])
        found = lock_list(self.app.client_manager.dcn, parsed_args.site,
                          seconds)
        rows = known(reading.read_all({'locks': functools.partial(
            _detail, found, parsed_args.lock)}, 2 * seconds)['locks'],
            parsed_args.site)
        if rows is None:
            raise missing(parsed_args.lock, parsed_args.site)
        return (('Claim', 'Role', 'Mode', 'Holder', 'Token', 'Claimed',
                 'Heard', 'Ends in', 'Operations', 'To be fenced'), rows)


def lock_list(client, name, seconds):
    """Return the :class:`~dcn_plugins.osc.lock_list.LockList` of a site.

    :raises ConfigError: if nothing says where its etcd is.
    """
    found = client.locks_of(name, seconds)
    if found is None:
        raise exceptions.ConfigError(
            client.settings.source, f'it does not say where the locks of '
            f'{name} are', f'{client.settings.remedy("locks_url")}, to what '
            '[coordination] backend_url of cinder.conf is at that site')
    return found


def known(told, name):
    """Return what an etcd has told of the locks of a site.

    :param told: the fact.
    :raises NotDone: if that is nothing.
    """
    if not told.is_known:
        raise exceptions.NotDone(
            f'the locks of {name} are not known: {told.problem}',
            'See whether a majority of its etcd runs')
    return told.value


def missing(name, site_name):
    """Return the error that there is no such lock."""
    return exceptions.NotDone(
        f'nobody has, or waits for, the lock {name} of {site_name}',
        'See "openstack dcn lock list"')


def _locks(client, name, seconds):
    found = client.locks_of(name, seconds)
    if found is None:
        return facts.unasked(client.settings.remedy('locks_url'))
    try:
        return found.locks(seconds)
    except exceptions.EtcdUnavailable:
        return facts.Fact(
            problem=f'etcd does not answer within {seconds:g} s')


def _rows(name, fact, now):
    if not fact.is_known:
        state = fact.text(now)
        yield (name, fact.problem, state if fact.is_asked else 'not asked',
               '', columns.ListColumn([]), None, None)
        return
    for lock in fact.value.values():
        mine = lock.holders or lock.left_behind or lock.waiting
        yield (name, lock.name, lock.state, MODES.get(mine[0].mode, ''),
               columns.ListColumn([_holder(claim) for claim in mine]),
               len(lock.waiting), len(lock.records))


def _holder(claim):
    return (locked.record_of(claim.text).get('host') or claim.text
            if claim.kind == 'f' else claim.text)


def _detail(found, name, seconds):
    lock = found.locks(seconds).get(name)
    if lock is None:
        return None
    rows = []
    for role, claims in (('holder', lock.holders), ('waiting', lock.waiting),
                         ('left behind', lock.left_behind)):
        for claim in claims:
            lease = claim.lease and found.lease_seconds(claim.lease, seconds)
            rows.append(_claim(role, claim, lock.records.get(claim.claim),
                               lease))
    return rows


def _claim(role, claim, record, lease):
    told = locked.record_of(record.text) if record else {}
    left, granted = lease or (None, None)
    return (claim.claim, role, MODES.get(claim.mode, ''), _holder(claim),
            claim.token, columns.AgeColumn(_age(claim.claimed_at)),
            columns.AgeColumn(None if left is None else granted - left),
            columns.AgeColumn(left),
            columns.ListColumn([intent.get('operation', '?') for intent in
                                told.get('intents', ())]),
            columns.ListColumn(list(told.get('addresses', ()))))


def _age(then):
    # Clocks of two hosts may differ.
    return None if then is None else max(0, int(time.time() - then))
