# SPDX-License-Identifier: Apache-2.0
"""Which of several accepted sites comes first.

Nova and Cinder rank with the same function, so that a server and its volumes
meet in one site without asking each other.
"""

import dataclasses
import hashlib

PROJECT, HEADROOM = 'project', 'headroom'
ORDERS = (PROJECT, HEADROOM)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A site that would take the request.

    :param name: name of the site, ``None`` for hosts in no site.
    :param headroom: free share of the site, 0 to 1.
    :param is_full: whether the site takes only what no other can.
    :param is_near: whether the image is there, when that is preferred.
    :param is_away: whether the server would leave its own site.
    """

    name: str | None
    priority: int = 0
    headroom: float = 1.0
    is_full: bool = False
    is_near: bool = True
    is_away: bool = False


def ranked(candidates, project, order=PROJECT):
    """Return the candidates, the best first.

    Staying beats leaving, an image that is there beats one that has to be
    copied, room beats none; then the priority decides, then the order that
    is asked for. The result depends on nothing else: no two schedulers differ
    that see the same.

    :param order: ``project`` keeps each project on its own sites as long as
        there is room; ``headroom`` fills the emptiest site first.
    """
    def key(candidate):
        share = affinity(project, candidate.name)
        last = ((-candidate.headroom, -share) if order == HEADROOM
                else (-share, -candidate.headroom))
        return (candidate.is_away, not candidate.is_near, candidate.is_full,
                -candidate.priority, *last, candidate.name or '')

    return sorted(candidates, key=key)


def affinity(project, site):
    """Return how much a project is drawn to a site: rendezvous hashing.

    A site that comes or goes moves only the projects that it takes or had.
    The number is the same on every machine and in every release.
    """
    text = f'{project or ""}\0{site or ""}'.encode()
    return int.from_bytes(
        hashlib.blake2b(text, digest_size=8).digest(), 'big')


class Fullness:
    """Remember which sites are full, with a gap against flapping.

    A site is full when less than ``1 - full_at`` of it is free, and has room
    again when more than ``1 - free_at`` is. Not thread-safe by itself.

    :param full_at: used share at which a site becomes full.
    :param free_at: used share at which it has room again.
    """

    def __init__(self, full_at, free_at):
        if not 0 < free_at <= full_at <= 1:
            raise ValueError('0 < free_at <= full_at <= 1 is required, not '
                             f'free_at={free_at:g} and full_at={full_at:g}')
        self._full_at = full_at
        self._free_at = free_at
        self._full = set()

    def is_full(self, name, headroom):
        """Tell whether a site is full, from its free share just measured."""
        used = 1 - headroom
        if used >= self._full_at:
            self._full.add(name)
        elif used < self._free_at:
            self._full.discard(name)
        return name in self._full
