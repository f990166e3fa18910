# SPDX-License-Identifier: Apache-2.0
"""Ratios, and the bars that figures have to stay below."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bar:
    """What a figure must not exceed.

    :param unit: for people, empty for a ratio.
    """

    name: str
    value: float
    limit: float
    unit: str = ''

    @property
    def is_met(self):
        """Whether the figure is within the limit; not a number never is."""
        return self.value <= self.limit

    def __str__(self):
        unit = f' {self.unit}' if self.unit else ''
        return (f'{"ok" if self.is_met else "FAILED":6}  {self.name}: '
                f'{self.value:.3g}{unit}, at most {self.limit:g}{unit}')

    def to_record(self):
        """Return the bar as a dictionary that JSON can hold."""
        return {**dataclasses.asdict(self), 'is_met': self.is_met}


def cheapest(figures, names):
    """Return which of some names has the least figure.

    :raises KeyError: for a name without a figure.
    :raises ValueError: without any name.
    """
    return min(names, key=lambda name: figures[name])


def ratio(figures, ours, peers):
    """Return our figure as a share of the least one of our peers.

    :raises KeyError: for a name without a figure.
    :raises ValueError: without peers, or if one took no time: then nothing
        was measured.
    """
    least = figures[cheapest(figures, peers)]
    if least <= 0:
        raise ValueError(f'no time was measured for one of {sorted(peers)}')
    return figures[ours] / least
