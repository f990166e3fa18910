# SPDX-License-Identifier: Apache-2.0
"""What is demanded of a placement policy. Pure."""

from tests.bench import verdict

IMAGES, STORES, PROJECTS = 5000, 100, 300


def bars(record):
    """Return what is demanded of the figures.

    :raises KeyError: if a figure is missing.
    """
    size = f'{IMAGES} images, {STORES} stores'
    return [
        # A count that is too small has been measured too well.
        verdict.Bar(f'{size}: verdicts that are missing',
                    IMAGES * STORES - record['verdicts'], 0),
        verdict.Bar(f'{size}: all verdicts', record['full_seconds'], 10, 's'),
        verdict.Bar(f'{size}: comparison with jobs', record['plan_seconds'],
                    10, 's'),
        verdict.Bar(f'{size}: memory at most', record['peak_mib'], 300,
                    'MiB'),
        verdict.Bar('one image', record['longest_event_milliseconds'], 5,
                    'ms'),
        verdict.Bar(f'reading a policy of {PROJECTS} rules',
                    record['read_seconds'], 1, 's')]
