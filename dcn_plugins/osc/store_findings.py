# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a site in Glance: its stores and its images. Pure."""

import collections
import dataclasses
import urllib.parse

from dcn_plugins.osc import finding
from dcn_plugins.osc import image_matrix
from dcn_plugins.osc import likely_name
from dcn_plugins.placement import overview

#: How many images one finding names.
MOST_NAMES = 10

_RULES = {overview.Course.FAILED: 'image-copy-failed',
          overview.Course.LACKING: 'image-lacking',
          overview.Course.CANCELLED: 'image-lacking',
          overview.Course.PAUSED: 'image-lacking',
          overview.Course.WAITING: 'image-on-its-way',
          overview.Course.COPYING: 'image-on-its-way'}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a Ceph a store is."""

    fsid: str
    pool: str

    def __str__(self):
        return f'the pool {self.pool} of the Ceph {self.fsid}'


def findings(entry, entries, answers):
    """Yield each :class:`~dcn_plugins.osc.finding.Finding`.

    :param entry: :class:`~dcn_plugins.osc.site_entry.SiteEntry`.
    :param entries: those of all sites, by their names.
    :param answers: :class:`~dcn_plugins.osc.site_findings.Answers`.
    """
    if answers.stores.is_known:
        names = {store['id'] for store in answers.stores.value}
        for store in entry.stores:
            yield from _name(store, names, entry.name)
        if answers.policy.is_known:
            yield from _policy(answers.policy.value, names)
            yield from _images(entry, answers)
    places = places_of(answers.store_details, answers.images)
    for store in entry.stores:
        if store in places:
            yield from _shared(store, places, entry, entries)
    yield from _elsewhere(entry, places, answers)
    yield from _paths(entry, answers.store_details.value or ())


def places_of(details, images):
    """Return the :class:`Place` of each store that is in a Ceph, by its name.

    Who may not see details may be shown the locations of images.
    """
    found = {}
    for image in images.value or ():
        for location in image.get('locations') or ():
            url = urllib.parse.urlsplit(location.get('url') or '')
            store = (location.get('metadata') or {}).get('store')
            pool = url.path.strip('/').split('/')[0]
            if url.scheme == 'rbd' and url.netloc and pool and store:
                found[store] = Place(url.netloc, urllib.parse.unquote(pool))
    for store in details.value or ():
        told = store.get('properties') or {}
        if told.get('fsid'):
            found[store['id']] = Place(told['fsid'], told.get('pool') or '')
    return found


def _name(store, names, site):
    others = names - {store}
    if store not in names:
        yield finding.finding(
            'store-missing', f'Glance has no store {store!r}'
            + likely_name.hint(store, names), store=store, site=site)
        return
    for other in likely_name.alike(store, others):
        yield finding.finding(
            'store-names-alike', f'The stores {store!r} and {other!r} differ '
            'by case or blanks only')
    for other in sorted(others):
        if other.startswith(store) or store.startswith(other):
            one, longer = sorted((store, other), key=len)
            yield finding.finding(
                'store-name-prefix', f'The name of the store {longer} begins '
                f'with that of {one}')


def _policy(policy, names):
    for line, name in policy.strangers(names):
        yield finding.finding(
            'policy-names-no-store', f'{policy.source} line {line} names the '
            f'store {name!r}, which is none{likely_name.hint(name, names)}')


def _images(entry, answers):
    if not answers.images.is_known:
        return
    found = collections.defaultdict(list)
    jobs = image_matrix.by_image(answers.jobs.value or ())
    for image in answers.images.value:
        states = image_matrix.states_of(
            image, answers.policy.value, answers.writable,
            jobs.get(image['id'], ()), answers.now)
        for store in entry.stores:
            course = states[store].course if store in states else None
            if course in _RULES:
                found[_RULES[course], store].append(
                    _image(image, states[store]))
    for (rule_id, store), images in found.items():
        more = len(images) - MOST_NAMES
        yield finding.finding(
            rule_id, f'{len(images)} of the images for {store}: '
            + ', '.join(sorted(images)[:MOST_NAMES])
            + (f' and {more} more' if more > 0 else ''), store=store)


def _image(image, state):
    told = [state.course.value] + ['late'] * state.is_late
    if state.reason:
        told.append(state.reason)
    return f'{image.get("name") or image["id"]} ({", ".join(told)})'


def _shared(store, places, entry, entries):
    mine = places[store]
    sites = {name: other.name for other in entries.values()
             for name in other.stores if other.name != entry.name}
    for other, place in sorted(places.items()):
        if other == store or place.fsid != mine.fsid:
            continue
        if place.pool == mine.pool:
            yield finding.finding(
                'stores-share-pool',
                f'The stores {store} and {other} are both {mine}')
        elif other in sites:
            yield finding.finding(
                'stores-share-cluster', f'The stores {store} and {other}, '
                f'that of {sites[other]}, are in one Ceph, {mine.fsid}',
                store=store)


def _elsewhere(entry, places, answers):
    """Yield whether no store is in a Ceph that has volumes of the site."""
    found = {places[store].fsid for store in entry.stores if store in places}
    keys = {service.get('cluster') or service['host']
            for service in answers.services.backends_of(entry)}
    volumes = {pool['capabilities'].get('dcn_fsid')
               for pool in answers.pools.value or ()
               if pool['name'].partition('#')[0] in keys}
    volumes.discard(None)
    if found and volumes and found.isdisjoint(volumes):
        yield finding.finding(
            'store-elsewhere', f'{", ".join(entry.stores)} is in the Ceph '
            f'{", ".join(sorted(found))}, and the volumes of the site are in '
            f'{", ".join(sorted(volumes))}', site=entry.name)


def _paths(entry, details):
    paths = {store['id']: store['properties']['data_dir'] for store in details
             if isinstance((store.get('properties') or {}).get('data_dir'),
                           str)}
    for store in entry.stores:
        for other, path in sorted(paths.items()):
            mine = paths.get(store)
            if mine and other != store and (
                    path.startswith(mine) or mine.startswith(path)):
                yield finding.finding(
                    'store-paths-alike', f'The paths of the stores {store} '
                    f'and {other} begin alike: {mine} and {path}')
