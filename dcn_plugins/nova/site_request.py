# SPDX-License-Identifier: Apache-2.0
"""What a RequestSpec asks of sites, found out once per request."""

import threading
import weakref

import nova.conf
from nova import exception
from nova import objects
from nova.scheduler import utils
from nova.volume import cinder
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.nova import cross_site_policy
from dcn_plugins.nova import image_stores
from dcn_plugins.nova import server_record
from dcn_plugins.nova import site_maps
from dcn_plugins import sites

LOG = logging.getLogger(__name__)

HINT = 'dcn_site'
GROUP_PREFIX = 'group:'


class SiteRequest:
    """A request as the rules see it, or why nobody can tell.

    :param asked: :class:`~dcn_plugins.admission.Request`, or ``None``.
    :param unknown: the reason why there is none, or ``None``.
    """

    def __init__(self, asked=None, unknown=None):
        self.asked = asked
        self.unknown = unknown
        # The filter runs once per server of a request and once more for
        # alternates; it writes one line for all.
        self.is_logged = False


class SiteRequests:
    """Turn a RequestSpec into a :class:`SiteRequest`; thread-safe.

    Pre-filter, filters and weigher see the same RequestSpec in turn and share
    the answer, so that every look-up is made once.

    :param conf: the options of ``[dcn]``.
    """

    def __init__(self, conf, maps=None, images=None):
        self._conf = conf
        self.maps = maps or site_maps.SiteMaps(conf.site_map_seconds)
        self._images = images or image_stores.ImageStores(
            conf.locality_cache_seconds)
        self._known = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, spec_obj):
        """Return the :class:`SiteRequest` of a RequestSpec; never raises."""
        with self._lock:
            found = self._known.get(spec_obj)
        return found or self.renewed(spec_obj)

    def renewed(self, spec_obj):
        """Find out again, as when the map has changed; never raises."""
        found = self._find_out(spec_obj)
        with self._lock:
            self._known[spec_obj] = found
        return found

    def _find_out(self, spec_obj):
        try:
            return SiteRequest(self._asked(spec_obj))
        except server_record.Unknown as exc:
            return SiteRequest(unknown=str(exc))
        # The last line of defence of a door: whatever a database or an API
        # throws becomes the verdict that the operator has chosen.
        except Exception as exc:
            LOG.exception('DCN: what server %s asks of sites could not be '
                          'found out', uuid_of(spec_obj))
            return SiteRequest(unknown=f'{type(exc).__name__}: {exc}')

    def _asked(self, spec_obj):
        conf = self._conf
        specs = spec_obj.flavor.extra_specs if (
            'flavor' in spec_obj and spec_obj.flavor
            and 'extra_specs' in spec_obj.flavor) else {}
        is_rebuild = utils.request_is_rebuild(spec_obj)
        is_move = not is_rebuild and server_record.is_move(spec_obj)
        if is_move and conf.move_policy == admission.OFF:
            return admission.Request(operation=admission.Operation.MIGRATE,
                                     move_policy=admission.OFF)
        image_locality = _locality(specs, 'dcn:image_locality',
                                   conf.image_locality)
        volume_locality = _locality(specs, 'dcn:volume_locality',
                                    conf.volume_locality)
        asks_volumes = volume_locality != admission.IGNORE
        record = None
        operation = admission.Operation.CREATE
        if is_rebuild:
            operation = admission.Operation.REBUILD
        elif is_move:
            record = server_record.read(spec_obj, asks_volumes)
            operation = record.operation
        zone = spec_obj.availability_zone if (
            'availability_zone' in spec_obj) else None
        request = {
            'operation': operation,
            'project': spec_obj.project_id,
            'zone': zone or None,
            'default_zone': nova.conf.CONF.default_availability_zone,
            'move_policy': conf.move_policy,
            'hinted': self._named(_hint(spec_obj)),
            'flavored': self._named(specs.get(sites.SITE_KEY)),
            'residence': self.maps.current().sites_of_project(
                spec_obj.project_id),
        }
        if record:
            request['home'] = record.site
            request['may_cross'] = self._may_cross(spec_obj, record, zone)
        request.update(self._image(spec_obj, image_locality, record))
        if asks_volumes and not is_rebuild:
            request.update(self._volumes(spec_obj, volume_locality, record))
        return admission.Request(**request)

    def _may_cross(self, spec_obj, record, zone):
        destination = spec_obj.requested_destination
        is_named = bool('host' in destination and destination.host)
        if record.operation is admission.Operation.UNSHELVE and zone:
            # The zone may be the one that the server had all the time.
            is_named |= record.site not in (
                self.maps.current().sites_of_zone(zone))
        return is_named and cross_site_policy.may_cross(spec_obj._context)

    def _named(self, names):
        if not names:
            return None
        found = set()
        for name in names if isinstance(names, (list, tuple)) else [names]:
            # Nova checks no more of a hint than that it is JSON.
            for part in sites.listed(str(name)):
                members = self.maps.current().sites_of_group(
                    part.removeprefix(GROUP_PREFIX)) if (
                        part.startswith(GROUP_PREFIX)) else ()
                # A group without sites is named as it is, and so refused.
                found.update(members or [part])
        return frozenset(found)

    def _image(self, spec_obj, locality, record):
        image_id = _image_id(spec_obj, record)
        if locality == admission.IGNORE or not image_id:
            return {}
        try:
            stores = self._images.get(spec_obj._context, image_id)
        except Exception as exc:
            self._not_known('image', image_id, exc)
            return {}
        return {'image_locality': locality, 'stores': stores}

    def _volumes(self, spec_obj, locality, record):
        try:
            volume_ids = (record.volume_ids if record
                          else _volumes_of_create(spec_obj))
            if not volume_ids:
                return {}
            found = None
            for volume_id in volume_ids:
                names = self._sites_of_volume(spec_obj._context, volume_id)
                found = names if found is None else found & names
        except Exception as exc:
            self._not_known('volumes of server', uuid_of(spec_obj), exc)
            return {}
        return {'volume_locality': locality, 'volume_sites': found}

    def _sites_of_volume(self, context, volume_id):
        zone = cinder.API().get(context, volume_id).get('availability_zone')
        found = self.maps.current().sites_of_zone(zone) if zone else ()
        if not found and zone == nova.conf.CONF.default_availability_zone:
            return frozenset((None,))
        if not found:
            raise LookupError(f'availability zone {zone} of volume '
                              f'{volume_id} has no host')
        return found

    def _not_known(self, what, name, exc):
        is_refused = self._conf.unknown_locality == 'refuse'
        text = (f'where {what} {name} is could not be found out: '
                f'{type(exc).__name__}: {exc}')
        if is_refused:
            raise server_record.Unknown(text) from exc
        LOG.warning('DCN: %s; unknown_locality=allow: its locality is not '
                    'looked at', text)


_shared = None
_shared_lock = threading.Lock()


def shared():
    """Return the one :class:`SiteRequests` of this scheduler.

    Its options are those of the first call, which is made while
    nova-scheduler starts.
    """
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = SiteRequests(nova.conf.CONF.dcn)
        return _shared


def forget():
    """Let the next :func:`shared` be a new one, with the options of then."""
    global _shared
    with _shared_lock:
        _shared = None


def uuid_of(spec_obj):
    """Return the id of the server of a RequestSpec, or ``None``."""
    return spec_obj.instance_uuid if 'instance_uuid' in spec_obj else None


def _hint(spec_obj):
    return spec_obj.get_scheduler_hint(HINT)


def _locality(specs, key, default):
    value = specs.get(key, default)
    if value in admission.LOCALITIES:
        return value
    # nova-api refuses it, where this package is installed beside it.
    LOG.warning('DCN: %s=%s of a flavor is none of %s and has no effect',
                key, value, ', '.join(admission.LOCALITIES))
    return default


def _image_id(spec_obj, record):
    if record and record.shelved_image_id and (
            record.operation is admission.Operation.UNSHELVE):
        return record.shelved_image_id
    if 'is_bfv' in spec_obj and spec_obj.is_bfv:
        return None
    image = spec_obj.image if 'image' in spec_obj else None
    return image.id if image and 'id' in image else None


def _volumes_of_create(spec_obj):
    # The servers of one request are created alike; a volume can be attached
    # to the first only.
    try:
        request = objects.BuildRequest.get_by_instance_uuid(
            spec_obj._context.elevated(), spec_obj.instance_uuid)
    except exception.BuildRequestNotFound:
        return ()
    return tuple(bdm.volume_id for bdm in request.block_device_mappings
                 if bdm.is_volume and bdm.volume_id)
