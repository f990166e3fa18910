# SPDX-License-Identifier: Apache-2.0
"""What is measured of Glance's copy-image, and what is demanded. Pure."""

from tests.bench import verdict

OURS, STOCK = 'ours', 'stock'
#: Number of targets, and how many times faster than stock a copy has to be.
TIMES = {1: 12.0, 2: 20.0}


def bars(record):
    """Return what is demanded of the medians of ``record['seconds']``.

    ``{kind of image: {flavour: {number of targets: seconds}}}``.

    :raises KeyError: if a figure is missing.
    """
    found = []
    for kind, seconds in record['seconds'].items():
        for targets, times in TIMES.items():
            found.append(verdict.Bar(
                f'{kind}: copy to {targets}, share of stock',
                seconds[OURS][targets] / seconds[STOCK][targets],
                1 / times))
    return found
