# SPDX-License-Identifier: Apache-2.0
"""python -m tests.bench: measure, compare, and fail when a bar is missed."""

import argparse
import json
import logging
import os
import pathlib
import sys


def parse(arguments):
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.bench',
        description='Measure, compare, and exit with 1 when a bar is missed.')
    suites = parser.add_subparsers(dest='suite', required=True)
    nova = suites.add_parser(
        'nova', help='site-aware scheduling beside Nova\'s own')
    nova.add_argument(
        '--hosts', type=sizes, default='1000,10000,50000', metavar='N,N',
        help='sizes of the cloud for the time per host, 1000,10000,50000 '
             'unless given; 10000, where the bars are, is always one of them')
    locks = suites.add_parser(
        'locks', help='locks in etcd beside those of tooz')
    locks.add_argument(
        '--seconds', type=int, default=30, metavar='N',
        help='how long processes contend for one lock, 30 unless given')
    driver = suites.add_parser(
        'driver', help='our RBD driver beside Cinder\'s own')
    driver.add_argument(
        '--rounds', type=int, default=20, metavar='N',
        help='how often each driver does each operation, 20 unless given')
    driver.add_argument(
        '--clones', choices=('v1', 'v2'), default='v1',
        help='kind of the clones in Ceph, v1 unless given')
    leaks = suites.add_parser(
        'leaks', help='what is left of volumes that were deleted')
    leaks.add_argument(
        '--seeds', type=int, default=20, metavar='N',
        help='runs of our driver, 20 unless given')
    leaks.add_argument(
        '--operations', type=int, default=300, metavar='N',
        help='in each run, before all is deleted, 300 unless given')
    leaks.add_argument(
        '--stock-seeds', type=int, default=3, metavar='N',
        help='runs of Cinder\'s own driver, 3 unless given')
    leaks.add_argument(
        '--first-seed', type=int, default=1, metavar='N',
        help='where to begin, 1 unless given')
    blast = suites.add_parser(
        'blast', help='whom else a fence hits, and how fast locks pass on')
    blast.add_argument(
        '--fences', type=int, default=200, metavar='N',
        help='how many holders are lost, 200 unless given')
    images = suites.add_parser(
        'images', help='Glance\'s copy-image with our data path and without')
    images.add_argument(
        '--rounds', type=int, default=3, metavar='N',
        help='how often each copies to one and to two stores, 3 unless given')
    images.add_argument(
        '--mib', type=int, default=4096, metavar='N',
        help='size of the image, a quarter of which are data, 4096 unless '
             'given')
    images.add_argument(
        '--wan', metavar='RTT,RATE',
        help='a line to each edge, like 20ms,1Gbit; none unless given')
    copy = suites.add_parser(
        'copy', help='copies of images beside what operators use')
    copy.add_argument(
        '--mib', type=int, default=4096, metavar='N',
        help='size of the image, 4096 unless given; a quarter has data')
    copy.add_argument(
        '--rounds', type=int, default=3, metavar='N',
        help='how often each way is taken, 3 unless given')
    copy.add_argument(
        '--wan', metavar='RTT,RATE',
        help='to each target, like 20ms,1Gbit; none unless given')
    delta = suites.add_parser(
        'delta', help='copies of a snapshot whose base is there already')
    delta.add_argument(
        '--mib', type=int, default=8192, metavar='N',
        help='size of the image, 8192 unless given; a quarter has data')
    delta.add_argument(
        '--changed-mib', type=int, default=200, metavar='N',
        help='what was changed since, 200 unless given')
    delta.add_argument(
        '--wan', metavar='RTT,RATE',
        help='to the target, like 20ms,1Gbit; none unless given')
    throttle = suites.add_parser(
        'throttle', help='how exact a rate of the copier is')
    throttle.add_argument(
        '--wan', metavar='RTT,RATE', default='20ms,1Gbit',
        help='to the target, 20ms,1Gbit unless given')
    placement = suites.add_parser(
        'placement', help='what a placement policy costs in a large cloud')
    pane = suites.add_parser(
        'pane', help='the list of 200 sites of which one never answers')
    for suite in (nova, locks, driver, leaks, blast, images, copy, delta,
                  throttle, placement, pane):
        suite.add_argument('--json', type=pathlib.Path, metavar='FILE',
                           help='write all figures to a file')
    return parser.parse_args(arguments)


def sizes(text):
    """Return the numbers of hosts of a list in text.

    :raises ValueError: if one is no number, or no cloud for this bench.
    """
    found = {int(part) for part in text.split(',')}
    if any(size < 1000 or size % 10 for size in found):
        raise ValueError('at least 1000 hosts, ten for each site')
    return found


def run_locks(options):
    """Run the suite of locks; return ``(record, bars)``."""
    from tests.bench import lock_suite
    return lock_suite.run(options.seconds)


def run_nova(options):
    """Run the suite of Nova; return ``(record, bars)``."""
    # The default of nova-scheduler since 2026.1; read when Nova is imported.
    os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')
    # Nova warns of it, before there is any log.
    logging.getLogger().addHandler(logging.NullHandler())
    from tests.bench import nova_suite
    return nova_suite.run(options.hosts)


def run_driver(options):
    """Run the suite of the driver; return ``(record, bars)``."""
    from tests.bench import driver_suite
    return driver_suite.run(options.rounds, options.clones == 'v2')


def run_leaks(options):
    """Run the suite of leaks; return ``(record, bars)``."""
    from tests.bench import leak_suite
    return leak_suite.run(options.seeds, options.operations,
                          options.stock_seeds, options.first_seed)


def run_blast(options):
    """Run the suite of fences; return ``(record, bars)``."""
    from tests.bench import blast_suite
    return blast_suite.run(options.fences)


def run_images(options):
    """Run the suite of copies of images; return ``(record, bars)``."""
    from tests.bench import image_suite
    size = options.mib << 20
    return image_suite.run(options.rounds, size, size // 4, options.wan)


def run_copy(options):
    """Run the suite of copies; return ``(record, bars)``."""
    from tests.bench import copy_suite
    return copy_suite.run(options.mib, options.rounds, options.wan)


def run_delta(options):
    """Run the suite of copies with a base; return ``(record, bars)``."""
    from tests.bench import delta_suite
    return delta_suite.run(options.mib, options.changed_mib, options.wan)


def run_throttle(options):
    """Run the suite of rates; return ``(record, bars)``."""
    from tests.bench import throttle_suite
    return throttle_suite.run(options.wan)


def run_placement(options):
    """Run the suite of placement; return ``(record, bars)``."""
    from tests.bench import placement_suite
    return placement_suite.run()


def run_pane(options):
    """Run the suite of the list of sites; return ``(record, bars)``."""
    from tests.bench import pane_suite
    return pane_suite.run()


SUITES = {'nova': run_nova, 'locks': run_locks, 'driver': run_driver,
          'leaks': run_leaks, 'blast': run_blast, 'images': run_images,
          'copy': run_copy, 'delta': run_delta, 'throttle': run_throttle,
          'placement': run_placement, 'pane': run_pane}


def main(arguments=None, suites=SUITES):
    """Run a suite and tell which bars are met; return the exit code.

    :param suites: functions that return ``(record, bars)``, by name.
    """
    options = parse(arguments)
    record, bars = suites[options.suite](options)
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + '\n')
    print()
    for bar in bars:
        print(bar)
    # Without bars nothing was shown.
    return 0 if bars and all(bar.is_met for bar in bars) else 1


if __name__ == '__main__':
    sys.exit(main())
