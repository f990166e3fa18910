# SPDX-License-Identifier: Apache-2.0
"""What is measured of Glance's copy-image, and what is demanded. Pure."""

from tests.bench import verdict

#: With the hash, which nobody has verified before; with a proof of it.
FIRST, LATER = 'ours, hashed', 'ours'
STOCK, QEMU = 'stock', 'qemu-img'
#: To how many stores each copies. qemu-img asks no Glance and verifies
#: nothing: what is measured is what a tool can reach on this machine.
CASES = {FIRST: (1,), LATER: (1, 2), STOCK: (1, 2), QEMU: (1,)}
#: Number of targets, and how many times faster than stock a copy has to be.
TIMES = {1: 12.0, 2: 20.0}


def bars(record):
    """Return what is demanded of the medians of ``record['seconds']``.

    ``{kind of image: {case: {number of targets: seconds}}}``.

    :raises KeyError: if a figure is missing.
    """
    found = []
    for kind, seconds in record['seconds'].items():
        for case in (FIRST, LATER):
            for targets in CASES[case]:
                found.append(verdict.Bar(
                    f'{kind}: {case}, to {targets}, share of stock',
                    seconds[case][targets] / seconds[STOCK][targets],
                    1 / TIMES[targets]))
    return found
