# SPDX-License-Identifier: Apache-2.0
"""Find what is left over in the pool of a backend, and reclaim it.

``python -m dcn_plugins.cinder.audit --config-file /etc/cinder/cinder.conf
--backend NAME [--reclaim]``, on a host that runs cinder-volume and as its
user. Without ``--reclaim`` it only reads.
"""

import argparse
import contextlib
import sys

from cinder.common import config  # noqa: F401  registers options
from cinder import context
from cinder import coordination
from cinder import exception
from cinder import objects
from cinder.volume import configuration
from cinder.volume import driver as base_driver
from cinder.volume.drivers import rbd
from oslo_config import cfg
from oslo_utils import importutils

from dcn_plugins.ceph import bindings
from dcn_plugins.cinder import audit_text
from dcn_plugins.cinder import pool_audit
from dcn_plugins.cinder import volume_records
from dcn_plugins import exceptions
from dcn_plugins import report_command

CONF = cfg.CONF

_BINARY = 'cinder-volume'

# How long Ceph may take to answer a call, if cinder.conf does not say so.
_CEPH_SECONDS = 60

# Whoever has a lock for longer than this uses what was found.
_LOCK_WAIT_SECONDS = 10.0


def main(argv=None):
    """Run the command and return its exit status; raises only SystemExit."""
    options = _parser().parse_args(argv)

    def work():
        _configure(options.config_file)
        return _run(options)

    return report_command.status('The audit', options.debug, work)


def _parser():
    parser = argparse.ArgumentParser(
        prog='python -m dcn_plugins.cinder.audit',
        description='Find what is left over in the pool of a backend.',
        epilog='Exit status: 0 if nothing is left over, 1 if something is, '
               '2 if nobody knows.')
    parser.add_argument(
        '--config-file', action='append', required=True, metavar='FILE',
        help='cinder.conf; may be given several times')
    parser.add_argument(
        '--backend', required=True, metavar='NAME',
        help='one of enabled_backends')
    parser.add_argument(
        '--reclaim', action='store_true',
        help='remove what is provably of no use')
    parser.add_argument(
        '--unknown-volumes', action='store_true',
        help='with --reclaim: also remove volumes that the database does not '
             'know. Only if you know that none is unmanaged, and that no '
             'other Cinder uses the pool')
    parser.add_argument(
        '--unknown-snapshots', action='store_true',
        help='the same for snapshots')
    parser.add_argument(
        '--grace-seconds', type=report_command.seconds, metavar='N',
        default=pool_audit.GRACE_SECONDS,
        help='leave alone what is younger (default: %(default)g)')
    parser.add_argument(
        '--no-database', action='store_true',
        help='do not ask Cinder\'s database: then what it does not know is '
             'not found')
    report_command.add_output(parser)
    return parser


def _configure(files):
    objects.register_all()
    try:
        CONF([argument for name in files
              for argument in ('--config-file', name)], project='cinder')
    except (cfg.Error, OSError, UnicodeDecodeError) as exc:
        raise exceptions.ConfigError(
            'configuration', str(exc).splitlines()[0].rstrip('.'),
            'Name a readable file with --config-file') from exc


def _run(options):
    if options.no_database and (options.unknown_volumes
                                or options.unknown_snapshots):
        raise exceptions.ConfigError(
            'arguments', 'without the database nothing is unknown to it',
            'Leave out --no-database')
    driver = _driver(options.backend, not options.no_database)
    if options.reclaim and not _has_locks(driver):
        raise exceptions.ConfigError(
            'cinder.conf', f'the driver of backend {options.backend} takes '
            'none of our locks, so nothing can be removed beside it',
            'Set volume_driver = dcn_plugins.cinder.rbd_driver.DCNRBDDriver '
            'and restart cinder-volume on all its nodes first')
    # Says what to install if it is not there.
    bindings.rbd()
    driver.do_setup(context.get_admin_context())
    audit = pool_audit.PoolAudit(
        driver, None if options.no_database else volume_records.known)
    policy = audit.policy(options.grace_seconds,
                          unknown_volumes=options.unknown_volumes,
                          unknown_snapshots=options.unknown_snapshots)
    outcomes = ()
    with _coordination(driver):
        report = audit.report(policy, report_command.progress(_progress))
        if options.reclaim:
            outcomes = tuple(audit.reclaimer(driver.guarded).reclaim(
                report, policy))
    write = audit_text.as_json if options.json else audit_text.as_text
    print(write(options.backend, audit.pool, report, outcomes))
    return _status(report, outcomes)


def _has_locks(driver):
    return hasattr(driver, 'guarded')


def _status(report, outcomes):
    if any(outcome.is_failure for outcome in outcomes):
        return report_command.ERROR
    left = len(report.findings) - sum(
        outcome.is_reclaimed for outcome in outcomes)
    return report_command.FOUND if left else report_command.NOTHING


def _driver(backend, has_database):
    """Return the driver of a backend as cinder-volume makes it."""
    # Only here: it needs Cinder's objects registered.
    from cinder.volume import manager

    if backend not in (CONF.enabled_backends or ()):
        raise exceptions.ConfigError(
            'cinder.conf', f'there is no backend {backend}',
            'There are: ' + (', '.join(CONF.enabled_backends or ())
                             or 'none, set enabled_backends'))
    values = configuration.Configuration(
        [*manager.volume_backend_opts, *base_driver.volume_opts],
        config_group=backend)
    try:
        cls = importutils.import_class(values.volume_driver)
    except ImportError as exc:
        raise exceptions.ConfigError(
            'cinder.conf', f'volume_driver of {backend}: {exc}',
            'Correct it') from exc
    if not issubclass(cls, rbd.RBDDriver):
        raise exceptions.ConfigError(
            'cinder.conf', f'backend {backend} is not in Ceph: its driver is '
            f'{values.volume_driver}', 'Name one whose driver is for RBD')
    values.append_config_values(rbd.RBD_OPTS)
    if values.rados_connect_timeout < 0:
        # Of cinder-volume it is asked to wait for ever, of us not.
        CONF.set_override('rados_connect_timeout', _CEPH_SECONDS, backend)
    CONF.register_opt(cfg.StrOpt('backend_host'), group=backend)
    host = f'{getattr(CONF, backend).backend_host or CONF.host}@{backend}'
    cluster = _cluster(backend)
    return cls(configuration=values, host=host, cluster_name=cluster,
               active_backend_id=active_backend(host, cluster)
               if has_database else None)


def _cluster(backend):
    if not hasattr(CONF, 'cluster'):
        # Registered by cinder-volume, whose module must not be imported: it
        # changes the whole process.
        CONF.register_opt(cfg.StrOpt('cluster'))
    name = (CONF.cluster or '').strip()
    return f'{name}@{backend}' if name else None


def active_backend(host, cluster):
    """Return the name of the Ceph cluster after a failover, or ``None``."""
    admin = context.get_admin_context()
    try:
        if cluster:
            return objects.Cluster.get_by_id(
                admin, None, name=cluster, binary=_BINARY).active_backend_id
        return objects.Service.get_by_args(
            admin, host, _BINARY).active_backend_id
    except (exception.ServiceNotFound, exception.ClusterNotFound):
        return None


@contextlib.contextmanager
def _coordination(driver):
    if not _has_locks(driver):
        yield
        return
    CONF.set_override('lock_wait_seconds', _LOCK_WAIT_SECONDS, 'dcn')
    coordination.COORDINATOR.start()
    try:
        yield
    finally:
        coordination.COORDINATOR.stop()


def _progress(done, total):
    return f'{done} of {total} images'


if __name__ == '__main__':
    sys.exit(main())
