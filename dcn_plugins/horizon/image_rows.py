# SPDX-License-Identifier: Apache-2.0
"""Lines of the matrix of images and sites. Pure."""

import dataclasses

from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import image_matrix
from dcn_plugins.placement import overview

_MARKS = {
    overview.Course.PRESENT: 'success', overview.Course.COPYING: 'info',
    overview.Course.WAITING: 'info', overview.Course.LEAVING: 'info',
    overview.Course.PAUSED: 'warning', overview.Course.LACKING: 'warning',
    overview.Course.FAILED: 'danger'}


@dataclasses.dataclass(frozen=True)
class Column:
    """One site with the stores that Glance has there.

    :param is_site: whether it is one, and no store that is at no site.
    """

    name: str
    stores: tuple
    is_site: bool = True


@dataclasses.dataclass(frozen=True)
class Cell:
    """One image in one store.

    :param mark: a class of labels of Bootstrap.
    :param percent: how much of it is there; ``None`` if nobody tells.
    :param notes: what else is known, as sentences.
    """

    store: str
    course: str
    mark: str
    percent: int | None = None
    notes: tuple = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """One image; its cells are tuples of :class:`Cell`, one per column."""

    id: str
    name: str
    cells: tuple


@dataclasses.dataclass(frozen=True)
class Page:
    """Some of all lines.

    :param previous: number of the page before it; ``None`` if there is none.
    """

    rows: tuple
    number: int
    total: int
    previous: int | None
    next: int | None


class Matrix:
    """All images and where they are.

    :param images: as Glance lists them.
    :param stores: names of all stores that can be copied to.
    :param entries: :class:`~dcn_plugins.osc.site_entry.SiteEntry` by name.
    :param states: gives the ``StoreState`` of each store, by its name, of an
        image.
    """

    def __init__(self, images, stores, entries, states):
        self._images = sorted(images, key=lambda image: (
            image.get('name') or '', image['id']))
        self._states = states
        self.columns = columns_of(entries, stores)

    def page(self, number, size, search='', is_unsettled=False):
        """Return a :class:`Page`; the last one, if there are fewer.

        :param number: as somebody has typed it.
        :param search: a part of a name, or of an id.
        :param is_unsettled: only images that are not yet where they are
            wanted.
        """
        found = [image for image in self._images
                 if search.lower() in (image.get('name') or '').lower()
                 or search in image['id']]
        if is_unsettled:
            found = [image for image in found
                     if not image_matrix.is_settled(self._states(image))]
        size = max(1, size)
        last = max(1, -(-len(found) // size))
        number = min(max(1, _number(number)), last)
        rows = tuple(map(self._row, found[(number - 1) * size:number * size]))
        return Page(rows, number, len(found),
                    number - 1 if number > 1 else None,
                    number + 1 if number < last else None)

    def _row(self, image):
        states = self._states(image)
        return Row(image['id'], image.get('name') or '', tuple(
            tuple(cell_of(states[store]) for store in column.stores
                  if store in states) for column in self.columns))


def columns_of(entries, stores):
    """Return a column for each site, and for each store that is at none."""
    known = frozenset(stores)
    found = [Column(name, tuple(store for store in entry.stores
                                if store in known))
             for name, entry in entries.items()]
    at_sites = {store for column in found for store in column.stores}
    return (*found, *(Column(store, (store,), False) for store in stores
                      if store not in at_sites))


def cell_of(state):
    """Return the :class:`Cell` of a ``StoreState``."""
    percent = None
    if state.total_bytes and state.done_bytes is not None:
        percent = min(100, 100 * state.done_bytes // state.total_bytes)
    return Cell(state.store, state.course.value,
                _MARKS.get(state.course, 'default'), percent,
                tuple(_notes(state)))


def _notes(state):
    if state.step:
        yield state.step
    if state.bytes_per_second:
        yield f'{state.bytes_per_second / (1 << 20):.1f} MiB/s'
    if state.eta_seconds is not None:
        yield f'{facts.duration(state.eta_seconds)} left'
    if state.failures:
        yield f'{state.failures} tries have failed'
    if state.is_late:
        yield f'it was to be there at {facts.moment(state.deadline)}'
    if state.reason:
        yield state.reason


def warnings_of(told):
    """Return what of the matrix is not known, as sentences.

    :param told: facts by name, see ``readings``.
    """
    found = []
    if not told['sites'].is_known:
        found.append('Which sites there are is not known, so all stores are '
                     f'shown by themselves: {told["sites"].problem}')
    if not told['policy'].is_known:
        found.append('What is wanted is not known: '
                     f'{told["policy"].problem}')
    if told['told'].is_known and not told['told'].value.jobs.is_known:
        found.append('What is on its way is not known: '
                     f'{told["told"].value.jobs.problem}')
    return found


def _number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return 1
