# SPDX-License-Identifier: Apache-2.0
"""python -m tests.chaos: break things, and see whether promises hold."""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from tests.chaos import flavours

DEFAULT_SECONDS = 20.0


def parse(arguments):
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.chaos',
        description='Break things under load and check what users saw; exit '
                    'with 1 if a promise was broken.')
    levels = parser.add_subparsers(dest='level', required=True)
    storage = levels.add_parser(
        'storage', help='drivers on Ceph and etcd, without OpenStack')
    kinds = storage.add_mutually_exclusive_group()
    kinds.add_argument(
        '--stock', dest='flavour', action='store_const', const=flavours.STOCK,
        help='upstream\'s driver and tooz; its violations are only counted')
    kinds.add_argument(
        '--without', dest='flavour', choices=flavours.PARTS,
        help='ours with a part taken away: it has to fail')
    storage.set_defaults(flavour=flavours.OURS)
    storage.add_argument(
        '--seeds', default='1-3', metavar='N-N', help='1-3 unless given')
    storage.add_argument(
        '--seconds', type=float, default=DEFAULT_SECONDS, metavar='N',
        help='for each seed, %(default)g unless given')
    storage.add_argument(
        '--verbs', metavar='VERB,VERB', help='all unless given')
    storage.add_argument(
        '--dir', type=pathlib.Path, metavar='DIRECTORY',
        help='for the daemons and their logs; a new one unless given')
    storage.add_argument(
        '--histories', type=pathlib.Path, metavar='DIRECTORY',
        help='keep each history, and the logs of those that are bad')
    return parser.parse_args(arguments)


def run_storage(options):
    """Run all seeds on one site; return their results."""
    from tests.chaos import observer
    from tests.chaos import plan
    from tests.chaos import proxy
    from tests.chaos import site as sites
    from tests.chaos import storage
    from tests.chaos import workers
    from tests.lab import __main__ as lab_command

    verbs = tuple(options.verbs.split(',')) if options.verbs else plan.VERBS
    directory = options.dir or pathlib.Path(
        tempfile.mkdtemp(prefix='dcn-chaos-', dir='/var/tmp'))
    loop = proxy.Loop()
    site = sites.Site(directory, loop)
    results = []
    try:
        lab_command.install_plugins(site.lab)
        site.start()
        template = workers.Template(site.lab)
        watch = observer.Observer(site, sites.POOL)
        for seed in storage.seeds(options.seeds):
            began = time.monotonic()
            results.append(storage.Run(
                site, watch, loop, template, options.flavour, seed,
                options.seconds, verbs).run())
            if options.histories:
                keep(options.histories /
                     f'{len(results)}-{options.flavour}-{seed}',
                     results[-1], site.lab.path('log'))
            print(f'{results[-1]}\n  in {time.monotonic() - began:.0f} s',
                  flush=True)
            watch.sweep()
        watch.close()
        template.close()
    finally:
        site.close()
        loop.close()
    return results


def keep(directory, result, logs):
    """Write the history of a run, and keep the logs if it was bad."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / 'history').write_text(result.record.to_json())
    (directory / 'result').write_text(f'{result}\n')
    for log in logs.glob(f's{result.seed}-*.log'):
        if result.violations or result.failures:
            shutil.copy(log, directory)
        log.unlink()


def main(arguments=None):
    """Run a level; return the exit code."""
    options = parse(arguments)
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(1))
    results = run_storage(options)
    found = {}
    for result in results:
        for violation in result.violations:
            found[violation.rule] = found.get(violation.rule, 0) + 1
    total = sum(found.values())
    print(f'\n{options.flavour}: {len(results)} seeds, '
          f'{sum(len(r.record.operations) for r in results)} operations, '
          f'{sum(len(r.record.faults) for r in results)} faults, '
          f'{total} violations '
          + ', '.join(f'{rule} {n}' for rule, n in sorted(found.items())))
    is_broken = any(result.failures for result in results)
    return int(is_broken or (total > 0 and options.flavour != flavours.STOCK))


if __name__ == '__main__':
    sys.exit(main())
