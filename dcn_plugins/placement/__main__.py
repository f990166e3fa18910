# SPDX-License-Identifier: Apache-2.0
"""python -m dcn_plugins.placement: check and explain a policy, metrics."""

import argparse
import json
import sys
import time

from dcn_plugins import exceptions
from dcn_plugins.placement import image as images
from dcn_plugins.placement import metrics_file
from dcn_plugins.placement import policy_text
from dcn_plugins.placement import verdict


def parse(arguments):
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m dcn_plugins.placement',
        description='Check the file of a placement policy, explain what it '
                    'says of one image, or write metrics of all jobs. Ends '
                    'with 2 if a file is of no use.')
    words = parser.add_subparsers(dest='word', required=True)
    for word, text in (('check', 'tell all mistakes of a file'),
                       ('explain', 'tell which rule decides for each store')):
        words.add_parser(word, help=text).add_argument(
            'file', help='the policy')
    explain = words.choices['explain']
    explain.add_argument(
        '--stores', required=True, metavar='NAME,NAME',
        help='all stores that there are')
    explain.add_argument(
        '--image', type=argparse.FileType(), default='-', metavar='FILE',
        help='the image as "openstack image show -f json" prints it; '
             'standard input unless given')
    explain.add_argument('--json', action='store_true')
    metrics_file.add_arguments(words.add_parser(
        'metrics', help='write metrics for Prometheus'))
    return parser.parse_args(arguments)


def image_of(text):
    """Return the image that a client has printed as JSON.

    :raises ConfigError: if it is none.
    """
    try:
        shown = json.loads(text)
        # The client of OpenStack sets users' properties apart.
        properties = shown.get('properties')
        return images.image_of({
            **(properties if isinstance(properties, dict) else {}), **shown})
    except (AttributeError, ValueError) as exc:
        raise exceptions.ConfigError(
            'the image', f'it is no JSON object: {exc}',
            'Give it what "openstack image show -f json IMAGE" prints') from (
                exc)


def read(path):
    """Return the policy of a file.

    :raises ConfigError: if it is of no use.
    """
    try:
        with open(path, encoding='utf-8') as file:
            return policy_text.policy_of(file.read(), path)
    except (OSError, UnicodeDecodeError) as exc:
        raise exceptions.ConfigError(
            path, f'it cannot be read: {exc}',
            'Name a file in UTF-8 that you may read') from exc


def explain(options, policy):
    """Print the verdict of each store."""
    stores = frozenset(images.words(options.stores))
    found = verdict.decide(image_of(options.image.read()), policy, stores,
                           time.time())
    if options.json:
        print(json.dumps([
            {**vars(told), 'state': told.state.value}
            for told in found.verdicts()], indent=2))
        return
    for told in found.verdicts():
        print(told)
    for word in found.refused:
        print(f'{images.PROPERTY}: {word!r} has no effect: it is no store or '
              'group that the rule lets users ask for')
    for line, name in policy.strangers(stores):
        print(f'{options.file} line {line}: there is no store {name!r}')


def main(arguments=None):
    """Run the command; return its exit code."""
    options = parse(arguments)
    try:
        if options.word == 'metrics':
            metrics_file.run(options)
            return 0
        policy = read(options.file)
        if options.word == 'explain':
            explain(options, policy)
    except exceptions.InvalidPolicy as exc:
        for fault in exc.faults:
            print(f'{exc.source}: {fault}', file=sys.stderr)
        return exc.exit_code
    except (exceptions.ConfigError, exceptions.EtcdError) as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    return 0


if __name__ == '__main__':
    sys.exit(main())
