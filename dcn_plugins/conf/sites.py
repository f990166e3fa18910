# SPDX-License-Identifier: Apache-2.0
"""Options of the site filter (nova.conf)."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'dcn', title='DCN sites',
    help='Site-aware scheduling, read by nova-scheduler.')

OPTS = [
    cfg.StrOpt(
        'move_policy', default='strict',
        choices=[
            ('strict', 'a move that would leave the site finds no host'),
            ('off', 'moves are not looked at: stock behaviour')],
        help='What happens when a server that exists is scheduled again: '
             'cold migration, live migration, resize, evacuate, unshelve. '
             'With "strict" only hosts of the server\'s own site pass, and '
             'the operation fails with "No valid host" when that site has '
             'no room; the server itself is untouched. Forced moves and '
             'availability zones given as ZONE:HOST never reach a filter, '
             'whatever is set here: close them with policy.'),
    cfg.StrOpt(
        'unknown_site', default='refuse',
        choices=[
            ('refuse', 'fail closed: no host passes'),
            ('allow', 'fail open: all hosts pass, with a warning')],
        help='Verdict for a move whose present site cannot be found out: the '
             'database did not answer, the record names no host, or the '
             'host is in two sites at once. "refuse" keeps the '
             'data safe and may block a move until the cause is gone; '
             '"allow" is what stock Nova does, and may start the server '
             'away from its disk.'),
]


def register_opts(conf):
    """Register the options of the filter; a second call changes nothing."""
    # By name: a group object that is registered collects the options of
    # whoever registers it next.
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts():
    """Return ``[(group, options)]`` for oslo-config-generator."""
    return [(GROUP, OPTS)]
