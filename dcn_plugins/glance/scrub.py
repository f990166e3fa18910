# SPDX-License-Identifier: Apache-2.0
"""Compare Glance's locations with the RBD images, and set right what is ours.

``dcn-scrub --config-file /etc/glance/glance-api.conf [--deep] [--repair]``,
on a host of a glance-api that reaches the clusters of all its stores, as its
user and in its environment. Without ``--repair`` it only reads.
"""

import argparse
import contextlib
import sys
import threading

import glance_store
from oslo_config import cfg

from dcn_plugins.ceph import bindings
from dcn_plugins.conf import imagecopy
from dcn_plugins import exceptions
from dcn_plugins.glance import drift
from dcn_plugins.glance import drift_repair
from dcn_plugins.glance import drift_search
from dcn_plugins.glance import drift_text
from dcn_plugins.glance import image_api
from dcn_plugins.glance import image_facts
from dcn_plugins.glance import rbd_stores
from dcn_plugins.glance import store_facts
from dcn_plugins import report_command

CONF = cfg.CONF

#: For how long nothing is said of what may still be changing. It must be more
#: than the clocks of Ceph, of the database and of this host differ.
GRACE_SECONDS = 3600.0

#: Between two looks: more than Glance takes between a change of a pool and
#: that of its database.
WAIT_SECONDS = 30.0


def main(argv=None):
    """Run the command and return its exit status; raises only SystemExit."""
    options = _parser().parse_args(argv)

    def work():
        _check(options)
        _configure(options.config_file)
        return _run(options)

    return report_command.status('The scrub', options.debug, work)


def _parser():
    parser = argparse.ArgumentParser(
        prog='dcn-scrub',
        description='Compare the locations of Glance\'s images with the RBD '
                    'images in the pools of its stores.',
        epilog='Exit status: 0 if there is no drift, 1 if there is, 2 if '
               'nobody knows.')
    parser.add_argument(
        '--config-file', action='append', required=True, metavar='FILE',
        help='glance-api.conf; may be given several times')
    parser.add_argument(
        '--store', action='append', metavar='NAME',
        help='only this store; may be given several times. For a repair name '
             'one that has another copy, too')
    parser.add_argument(
        '--image', action='append', metavar='ID',
        help='only this image; may be given several times')
    parser.add_argument(
        '--deleted-only', action='store_true',
        help='only what is left of images that Glance\'s database has as '
             'deleted')
    parser.add_argument(
        '--deep', action='store_true',
        help='also compare contents with os_hash_value: where a proof is '
             'kept with a copy, by checksums that the OSDs compute; else all '
             'bytes are read')
    parser.add_argument(
        '--read-all', action='store_true',
        help='with --deep: read all bytes of each copy, whatever proof')
    parser.add_argument(
        '--grace-seconds', type=report_command.seconds, metavar='N',
        default=GRACE_SECONDS,
        help='leave alone what is younger (default: %(default)g)')
    parser.add_argument(
        '--wait-seconds', type=report_command.seconds, metavar='N',
        default=WAIT_SECONDS,
        help='between the first look and the second, after which only what '
             'stands in both is told (default: %(default)g)')
    _add_repairs(parser)
    report_command.add_output(parser)
    return parser


def _add_repairs(parser):
    parser.add_argument(
        '--repair', action='store_true',
        help='take and protect snapshots of copies whose content is proved')
    for consent, text in (
            (drift.PARTIALS, 'copies of ours that nobody goes on with'),
            (drift.ORPHANS, 'copies of ours that have no location'),
            (drift.LOCATIONS, 'locations without an RBD image, if another '
                              'copy is proved; Glance does it')):
        parser.add_argument(consent, action='append_const', dest='allowed',
                            const=consent,
                            help=f'with --repair: also remove {text}')


def _check(options):
    for is_given, alone, needs in (
            (options.allowed, 'what may be removed', '--repair'),
            (options.read_all, '--read-all', '--deep')):
        if is_given and not getattr(options, needs.removeprefix('--')):
            raise exceptions.ConfigError(
                'arguments', f'{alone} has no effect without {needs}',
                f'Add {needs}')


def _configure(files):
    # Registers Glance's own options.
    from glance.common import config

    try:
        config.parse_args([argument for name in files
                           for argument in ('--config-file', name)])
    except (cfg.Error, OSError, UnicodeDecodeError) as exc:
        raise exceptions.ConfigError(
            'configuration', str(exc).splitlines()[0].rstrip('.'),
            'Name a readable file with --config-file') from exc
    if CONF.enabled_backends:
        glance_store.register_store_opts(CONF)
    imagecopy.register_opts(CONF)


def _places(names):
    """Return the places of the RBD stores, or of some."""
    backends = CONF.enabled_backends or {}
    places = {name: rbd_stores.place(CONF, name) for name in backends}
    usable = [name for name, place in places.items() if place]
    for name in names or ():
        if name not in usable:
            raise exceptions.ConfigError(
                'glance-api.conf', f'{name} is no RBD store with '
                'rbd_store_user', 'There are: ' + (
                    ', '.join(usable) or 'none, set enabled_backends'))
    if not usable:
        raise exceptions.ConfigError(
            'glance-api.conf', 'it has no RBD store with rbd_store_user',
            'Name the one of a glance-api that has')
    return {name: places[name] for name in usable
            if not names or name in names}


def _run(options):
    # Says what to install if it is not there.
    bindings.rbd()
    places = _places(options.store)
    images = image_facts.of_this_glance(CONF)
    with contextlib.ExitStack() as stack:
        stores = {name: stack.enter_context(store_facts.StoreFacts(place))
                  for name, place in places.items()}
        search = drift_search.DriftSearch(
            images, stores, options.grace_seconds,
            lambda: threading.Event().wait(options.wait_seconds),
            progress=report_command.progress(_progress),
            is_deleted_only=options.deleted_only)
        report = search.report(options.deep, options.read_all,
                               options.image and set(options.image))
        outcomes = ()
        if options.repair:
            outcomes = tuple(drift_repair.DriftRepair(
                search, images, image_api.ImageAPI(CONF),
                options.allowed or ()).repair(report))
    write = drift_text.as_json if options.json else drift_text.as_text
    print(write(places, report, outcomes))
    return _status(report, outcomes)


def _status(report, outcomes):
    if report.unknown or any(outcome.is_failure for outcome in outcomes):
        return report_command.ERROR
    left = len(report.findings) - sum(
        outcome.is_repaired for outcome in outcomes)
    return report_command.FOUND if left else report_command.NOTHING


def _progress(what, done, total):
    return f'{what}: {done} of {total}'


if __name__ == '__main__':
    sys.exit(main())
