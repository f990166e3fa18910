# SPDX-License-Identifier: Apache-2.0
"""What is demanded of the list of all sites. Pure."""

from tests.bench import verdict

SITES, HOSTS, IMAGES = 200, 5, 50


def bars(record):
    """Return what is demanded of the figures.

    :raises KeyError: if a figure is missing.
    """
    size = f'{SITES} sites of {HOSTS} hosts, one is a black hole'
    return [
        # A list that lacks something was made too fast.
        verdict.Bar(f'{size}: lines that are missing',
                    SITES - record['lines'], 0),
        verdict.Bar(f'{size}: others that are not known',
                    record['others_unknown'], 0),
        verdict.Bar(f'{size}: facts of the silent site that are shown',
                    record['silent_known'], 0),
        verdict.Bar(f'{size}: error of the age of its last sign of life',
                    record['age_error_seconds'], 1, 's'),
        verdict.Bar(f'{size}: the list', record['seconds'], 3, 's'),
        verdict.Bar(f'{size}: CPU of the command', record['cpu_seconds'], 2,
                    's')]
