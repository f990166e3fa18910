# SPDX-License-Identifier: Apache-2.0
"""Options of the RBD driver's locks (cinder.conf)."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'dcn', title='DCN locks',
    help='Locks of the RBD driver, read by cinder-volume.')

OPTS = [
    cfg.FloatOpt(
        'lock_wait_seconds', default=300.0, min=1.0, max=3600.0,
        help='How long, in seconds (1 to 3600), an operation queues for the '
             'lock of its volume or snapshot in the site\'s DLM '
             '([coordination] backend_url). When the time is over the '
             'operation fails before it has changed anything. Set it above '
             'the longest operation of the backend.'),
    cfg.FloatOpt(
        'stuck_seconds', default=120.0, min=10.0, max=86400.0,
        help='How long, in seconds (10 to 86400), nobody must have worked on '
             'a volume or snapshot, and nobody had or queued for its locks, '
             'before its state counts as stuck and is ended by the cluster: '
             'deletions are sent again, all else becomes an error or what it '
             'was. What may work without a lock, as the download of an '
             'image, gets 30 times as long. Set it above the time in which '
             'RabbitMQ delivers again what a lost connection had. Of use '
             'with the driver dcn-etcd3+http only, which can tell whether '
             'anybody has a lock.'),
    cfg.IntOpt(
        'audit_seconds', default=21600, min=0, max=2592000,
        help='How often, in seconds (0 to 2592000), one cinder-volume of a '
             'cluster looks what earlier versions and interrupted work have '
             'left in the pool, and writes it to its log. It reads the '
             'header of each image once; 0 means never. Nothing is removed: '
             'that is what "python -m dcn_plugins.cinder.audit --reclaim" is '
             'for. Of use with the driver dcn-etcd3+http only.'),
    cfg.StrOpt(
        'fence', default='blocklist', choices=[
            ('blocklist', 'Whoever takes over the lock of a holder that has '
                          'died, or was not heard of for as long as a lease '
                          'lasts, first cuts the client of that one '
                          'operation off from Ceph. The Ceph user needs the '
                          'capability "mon \'profile rbd\'"; without it the '
                          'backend does not start.'),
            ('none', 'Nobody is cut off: a holder that only stood still may '
                     'go on writing beside the next one. For tests.')],
        help='What keeps a holder that has lost its lock from changing '
             'anything. Of use with the driver dcn-etcd3+http of '
             '[coordination] backend_url only; with any other nobody is cut '
             'off.'),
]


def register_opts(conf):
    """Register the options of the locks; a second call changes nothing."""
    # By name: a group object that is registered collects the options of
    # whoever registers it next.
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts():
    """Return ``[(group, options)]`` for oslo-config-generator."""
    return [(GROUP, OPTS)]
