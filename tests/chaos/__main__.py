# SPDX-License-Identifier: Apache-2.0
"""python -m tests.chaos: break things, and see whether promises hold."""

import argparse
import collections
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from tests.chaos import flavours


def parse(arguments):
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.chaos',
        description='Break things under load and check what users saw; exit '
                    'with 1 if a promise was broken.')
    levels = parser.add_subparsers(dest='level', required=True)
    for level, seconds, text in (
            ('storage', 20.0, 'drivers on Ceph and etcd, without OpenStack'),
            ('services', 40.0, 'users of Cinder\'s API; two cinder-volumes'),
            ('copies', 0.0, 'copies of images by Glance\'s API'),
            ('placement', 90.0, 'images and their policy; several glance-api, '
                                'three members of etcd'),
            ('convergence', 600.0, 'one site cut while images change; the '
                                   'seconds are those of the cut')):
        _add_options(levels.add_parser(level, help=text), seconds)
    return parser.parse_args(arguments)


def _add_options(parser, seconds):
    # Upstream has no image placement.
    if not parser.prog.endswith(('placement', 'convergence')):
        # Python 3.11 writes no usage with a group that is empty.
        kinds = parser.add_mutually_exclusive_group()
        kinds.add_argument(
            '--stock', dest='flavour', action='store_const',
            const=flavours.STOCK, help='upstream\'s driver and tooz; its '
                                       'violations are only counted')
    if parser.prog.endswith('storage'):
        kinds.add_argument(
            '--without', dest='flavour', choices=flavours.PARTS,
            help='ours with a part taken away: it has to fail')
    parser.set_defaults(flavour=flavours.OURS)
    # That one is a scene, and always the same.
    count = '1' if parser.prog.endswith('convergence') else '1-3'
    parser.add_argument(
        '--seeds', default=count, metavar='N-N',
        help='%(default)s unless given')
    parser.add_argument(
        '--seconds', type=float, default=seconds, metavar='N',
        help='for each seed, %(default)g unless given')
    parser.add_argument(
        '--verbs', metavar='VERB,VERB', help='all unless given')
    parser.add_argument(
        '--dir', type=pathlib.Path, metavar='DIRECTORY',
        help='for the daemons and their logs; a new one unless given')
    parser.add_argument(
        '--histories', type=pathlib.Path, metavar='DIRECTORY',
        help='keep each history, and the logs of those that are bad')


@contextlib.contextmanager
def _site(options):
    """Yield a site that runs, and who watches it."""
    from tests.chaos import observer
    from tests.chaos import proxy
    from tests.chaos import site as sites
    from tests.lab import __main__ as lab_command

    directory = options.dir or pathlib.Path(
        tempfile.mkdtemp(prefix='dcn-chaos-', dir='/var/tmp'))
    loop = proxy.Loop()
    site = sites.Site(directory, loop)
    try:
        lab_command.install_plugins(site.lab)
        site.start()
        watch = observer.Observer(site, sites.POOL)
        yield site, watch, loop
        watch.close()
    finally:
        site.close()
        loop.close()


def run_storage(options):
    """Yield the result of each seed, of drivers without OpenStack."""
    from tests.chaos import plan
    from tests.chaos import storage
    from tests.chaos import workers

    with _site(options) as (site, watch, loop):
        template = workers.Template(site.lab, site.clocks.environment)
        for seed in seeds(options.seeds):
            yield site, storage.Run(
                site, watch, loop, template, options.flavour, seed,
                options.seconds, _verbs(options, plan.verbs_of(
                    options.flavour, seed))).run()
            watch.sweep()
        template.close()


def run_services(options):
    """Yield the result of each seed, of Cinder's services."""
    from tests.chaos import cloud_run
    from tests.chaos import plan
    from tests.chaos import services

    with _site(options) as (site, watch, loop):
        made = services.Services(site, loop)
        made.start()
        for seed in seeds(options.seeds):
            yield site, cloud_run.Run(
                site, watch, made, options.flavour, seed, options.seconds,
                _verbs(options, plan.SERVICE_VERBS)).run()
            watch.sweep()


def run_copies(options):
    """Yield the result of each seed, of copies of images."""
    from tests.chaos import copy_run

    with copy_run.started(options.flavour, options.dir) as (cloud, picture):
        for seed in seeds(options.seeds):
            yield cloud, copy_run.run(cloud, picture, options.flavour, seed)


def run_placement(options):
    """Yield the result of each seed, of image placement.

    That of the last one has what is left after the services have ended, too.
    """
    from tests.chaos import placement_run

    asked = seeds(options.seeds)
    with placement_run.started(options.dir) as (cloud, pictures):
        for number, seed in enumerate(asked, 1):
            result = placement_run.Run(
                cloud, pictures, seed, options.seconds).run()
            if number == len(asked):
                result.violations += placement_run.end(cloud)
            yield cloud, result


def run_convergence(options):
    """Yield the result of the scene, once for each seed."""
    from tests.chaos import convergence

    for _seed in seeds(options.seeds):
        with convergence.started(options.dir) as (cloud, pictures):
            yield cloud, convergence.Scene(
                cloud, pictures, options.seconds).run()


def _verbs(options, all_of_them):
    return (tuple(options.verbs.split(',')) if options.verbs
            else all_of_them)


def seeds(text):
    """Return the numbers of a text like ``1-3,7``."""
    return [seed for part in text.split(',')
            for first, _dash, last in [part.partition('-')]
            for seed in range(int(first), int(last or first) + 1)]


def keep(directory, result, logs):
    """Write the history of a run, and keep the logs if it was bad."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / 'history').write_text(result.record.to_json())
    (directory / 'result').write_text(f'{result}\n')
    if result.violations or result.failures:
        for log in (*logs.glob(f's{result.seed}-*.log'),
                    *logs.glob('cinder-*.log'), *logs.glob('glance-*.log'),
                    *logs.glob('etcd-*.log')):
            shutil.copy(log, directory)


LEVELS = {'storage': run_storage, 'services': run_services,
          'copies': run_copies, 'placement': run_placement,
          'convergence': run_convergence}


def main(arguments=None, levels=LEVELS):
    """Run a level; return the exit code.

    :param levels: functions that yield ``(site, result)``, by name.
    """
    options = parse(arguments)
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(1))
    results = []
    began = time.monotonic()
    for site, result in levels[options.level](options):
        results.append(result)
        print(f'{result}\n  after {time.monotonic() - began:.0f} s',
              flush=True)
        if options.histories:
            keep(options.histories / f'{len(results)}-{options.flavour}-'
                 f'{result.seed}', result, site.lab.path('log'))
    print(f'\n{summary(options.flavour, results)}')
    return verdict(options.flavour, results)


def summary(flavour, results):
    """Return a line on all results."""
    rules = collections.Counter(violation.rule for result in results
                                for violation in result.violations)
    return (f'{flavour}: {len(results)} seeds, '
            f'{sum(len(r.record.operations) for r in results)} operations, '
            f'{sum(len(r.record.faults) for r in results)} faults, '
            f'{rules.total()} violations '
            + ', '.join(f'{rule} {n}' for rule, n in sorted(rules.items()))
            ).strip()


def verdict(flavour, results):
    """Return the exit code: what is only counted does not fail."""
    # Without results nothing was shown.
    is_broken = not results or any(result.failures for result in results)
    is_violated = any(result.violations for result in results)
    return int(is_broken or (is_violated and flavour != flavours.STOCK))


if __name__ == '__main__':
    sys.exit(main())
