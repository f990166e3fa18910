# SPDX-License-Identifier: Apache-2.0
"""Where in Ceph the copies of an image are.

Cinder hands its driver what Glance showed the user. That is often nothing, or
the address of the central copy only: show_multiple_locations is off in most
clouds, as it should be. So these are asked in turn, until one names a snapshot
in our cluster that can be opened:

#. what Cinder was shown;
#. the locations that Glance tells services only (since Glance 29);
#. if nobody could be asked: the name that Glance's RBD store gives to every
   image, provided that Glance says that our store has it. This is a guess, so
   it has to look like the image too.
"""

import dataclasses
import urllib.parse

from cinder.volume.drivers import rbd
from oslo_log import log as logging

from dcn_plugins.cinder import image_api
from dcn_plugins import exceptions

LOG = logging.getLogger(__name__)

_PREFIX = 'rbd://'

# What Glance's RBD store calls its snapshot of every image, and its pool
# unless told otherwise.
SNAPSHOT = 'snap'
DEFAULT_POOL = 'images'


@dataclasses.dataclass(frozen=True)
class Location:
    """A snapshot of an image in a pool of a cluster."""

    fsid: str
    pool: str
    image: str
    snapshot: str

    @classmethod
    def parse(cls, url):
        """Return what a URL of Glance names; ``None`` if it is not in RBD."""
        if not url or not url.startswith(_PREFIX):
            return None
        parts = [urllib.parse.unquote(part)
                 for part in url[len(_PREFIX):].split('/')]
        return cls(*parts) if len(parts) == 4 and all(parts) else None

    @property
    def url(self):
        """The URL as Glance would write it."""
        return _PREFIX + '/'.join(
            urllib.parse.quote(part, safe='')
            for part in dataclasses.astuple(self))


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What an open snapshot says of itself."""

    size_bytes: int
    is_protected: bool


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a user was shown of the locations of an image.

    :param urls: those that were shown.
    :param is_all: whether there are no others.
    """

    urls: tuple = ()
    is_all: bool = False

    @classmethod
    def by_cinder(cls, image_location):
        """Read what Cinder's ``get_location`` has returned, or ``None``."""
        direct_url, locations = image_location or (None, None)
        return cls.by_glance({'direct_url': direct_url,
                              'locations': locations})

    @classmethod
    def by_glance(cls, image):
        """Read an image as Glance shows it."""
        locations = image.get('locations')
        if locations:
            return cls(_urls(locations), True)
        return cls(tuple(filter(None, [image.get('direct_url')])))


class ImageLocations:
    """Find the copies of images in one cluster.

    :param api: :class:`~dcn_plugins.cinder.image_api.ImageAPI`.
    :param snapshot_of: function of pool, image and snapshot that returns a
        :class:`Snapshot`, or ``None`` if there is none that can be read.
    """

    def __init__(self, api, snapshot_of):
        self._api = api
        self._snapshot_of = snapshot_of

    def find(self, context, image, shown, fsid, store):
        """Return the URL of a copy that can be cloned, or ``None``.

        :param image: the image, as Glance or Cinder's client shows it.
        :param shown: :class:`Shown`.
        :param fsid: our cluster.
        :param store: the name of our store in it.
        :raises Exception: what ``snapshot_of`` raises when Ceph is away.
        """
        found = self._first_readable(shown.urls, fsid)
        if found is not None or shown.is_all:
            return found
        urls = self._asked(context, image['id'])
        if urls is not None:
            return self._first_readable(urls, fsid)
        return self._guessed(image, shown, fsid, store)

    def _first_readable(self, urls, fsid):
        for url in urls:
            location = Location.parse(url)
            if location is None or location.fsid != fsid:
                continue
            if self._snapshot_of(location.pool, location.image,
                                 location.snapshot) is not None:
                return url
            LOG.debug('%s is in this cluster and cannot be read', url)
        return None

    def _asked(self, context, image_id):
        """Return all URLs, or ``None`` if Glance does not tell."""
        try:
            return _urls(self._api.locations(context, image_id))
        except exceptions.CopyError as exc:
            LOG.debug('The locations of image %s are not told: %s', image_id,
                      exc.reason)
            return None

    def _guessed(self, image, shown, fsid, store):
        if store not in image_api.names(image, 'stores'):
            return None
        # All sites have their images in pools of one name, mostly.
        pools = [location.pool for location in map(Location.parse, shown.urls)
                 if location is not None]
        for pool in dict.fromkeys([*pools, DEFAULT_POOL]):
            guess = Location(fsid, pool, image['id'], SNAPSHOT)
            found = self._snapshot_of(pool, guess.image, SNAPSHOT)
            if (found is not None and found.is_protected
                    and found.size_bytes == image.get('size')):
                return guess.url
        return None


def snapshot_reader(driver):
    """Return a ``snapshot_of`` for :class:`ImageLocations`.

    :param driver: upstream's RBDDriver, or one derived from it.
    """
    def snapshot_of(pool, image, snapshot):
        # Not connected to that pool: upstream would try again and again when
        # there is none.
        with rbd.RADOSClient(driver) as client:
            try:
                ioctx = client.cluster.open_ioctx(pool)
            except driver.rados.Error as exc:
                LOG.debug('Pool %s cannot be opened: %s', pool, exc)
                return None
            try:
                with driver.rbd.Image(ioctx, image, snapshot=snapshot,
                                      read_only=True) as opened:
                    return Snapshot(opened.size(),
                                    opened.is_protected_snap(snapshot))
            except driver.rbd.Error as exc:
                LOG.debug('%s/%s@%s cannot be opened: %s', pool, image,
                          snapshot, exc)
                return None
            finally:
                ioctx.close()

    return snapshot_of


def _urls(locations):
    return tuple(location['url'] for location in locations
                 if location.get('url'))
