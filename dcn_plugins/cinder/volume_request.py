# SPDX-License-Identifier: Apache-2.0
"""What a request of cinder-scheduler asks of sites.

Cinder has all that it schedules pass its filters, also what stays where it
is. What the rules are asked depends on the operation:

=====================  ===================================================
create, also a clone,  :data:`~dcn_plugins.admission.Operation.CREATE`
from a snapshot, a
backup or in a group
``migrate_volume``     a move to a backend that somebody has named: another
                       site has to admit it
``retype_volume``      where the volume is, or a move inside its sites
extend, snapshot,      works on what is there, whatever the rules: only a
manage                 site that is down is closed
=====================  ===================================================
"""

import dataclasses
import threading

from oslo_config import cfg
from oslo_log import log as logging

from dcn_plugins import admission
from dcn_plugins.cinder import backend_sites
from dcn_plugins.cinder import site_maps
from dcn_plugins.conf import health
from dcn_plugins.conf import locking
from dcn_plugins.conf import unknown_options
from dcn_plugins.conf import volume_images
from dcn_plugins.conf import volume_sites
from dcn_plugins import image_store_cache
from dcn_plugins import sites
from dcn_plugins import version

LOG = logging.getLogger(__name__)

HINT = 'dcn_site'
GROUP_PREFIX = 'group:'
IMAGE_LOCALITY = 'dcn:image_locality'

MIGRATE, RETYPE = 'migrate', 'retype'
_MOVES = {'migrate_volume': MIGRATE, 'retype_volume': RETYPE}
_IN_PLACE = {
    'extend_volume': 'extend',
    'create_snapshot': 'snapshot',
    'manage_existing': 'manage',
    'manage_existing_snapshot': 'manage of a snapshot',
}


class Unknown(Exception):
    """It cannot be told what a request asks; the text says why.

    It never leaves the door: an error would end the request without a word
    to the user.
    """


@dataclasses.dataclass(frozen=True)
class VolumeRequest:
    """A request as the rules see it.

    :param known: :class:`~.backend_sites.BackendSites` to judge it by.
    :param verb: what is done, for people.
    :param asked: :class:`~dcn_plugins.admission.Request`; ``None`` for work
        on what is there already.
    :param homes: names of the sites that a volume that exists is in.
    :param backend: the backend of a volume that is retyped.
    """

    known: backend_sites.BackendSites
    verb: str
    asked: admission.Request | None = None
    homes: frozenset = frozenset()
    backend: str | None = None

    def refusal(self, found, backend_id=None):
        """Return why a backend is not used, or ``None``.

        :param found: tuple of sites, of which one has to accept it.
        :returns: of all refusals the one of the last rule.
        """
        refusals = [self._refusal(site, backend_id) for site in found]
        if None in refusals:
            return None
        rules = list(admission.Rule)
        return max(refusals, key=lambda each: rules.index(each.rule))

    def accepting(self, found, backend_id=None):
        """Return those of the sites that accept the request."""
        return tuple(site for site in found
                     if self._refusal(site, backend_id) is None)

    def is_away(self, site):
        """Tell whether a volume would leave its site."""
        return bool(self.homes) and site.name not in self.homes

    def _refusal(self, site, backend_id):
        if self.asked is None or self._is_there(backend_id):
            return self._refusal_in_place(site)
        if self.verb == RETYPE and self.is_away(site):
            return admission.Refusal(
                admission.Rule.MOVE,
                f'the volume is in {backend_sites.text_of(self.homes)}',
                'a retype stays there; migrate the volume to a backend that '
                'you name')
        asked = self.asked
        if self.homes:
            home = site.name if site.name in self.homes else min(
                self.homes, key=str)
            asked = dataclasses.replace(asked, home=home)
        return admission.refusal(asked, site)

    def _refusal_in_place(self, site):
        if site.state < sites.State.DOWN:
            return None
        return admission.Refusal(
            admission.Rule.STATE, f'it is {site.state} and takes no '
            f'{self.verb}', f'have {sites.STATE_KEY} set to anything else')

    def _is_there(self, backend_id):
        return bool(self.backend and backend_id) and _is_same(
            self.backend, backend_id)


class VolumeRequests:
    """Turn filter properties into a :class:`VolumeRequest`; thread-safe.

    :param conf: the options of ``[dcn]``.
    """

    def __init__(self, conf, maps=None, images=None):
        self._image_locality = conf.image_locality
        self._is_unknown_refused = conf.unknown_locality == 'refuse'
        self.maps = maps or site_maps.SiteMaps(conf)
        self._images = images or image_store_cache.ImageStores(
            conf.locality_cache_seconds, _stores)

    def of(self, properties, backend_states, is_quiet=False):
        """Return the :class:`VolumeRequest`, or ``None`` if there is none.

        There is none when somebody lists the pools of a volume type.

        :param properties: the filter properties.
        :param backend_states: the candidates.
        :param is_quiet: for a second look at the same request.
        :raises Unknown: if it cannot be told and must not be guessed.
        """
        spec = properties.get('request_spec')
        if not spec:
            return None
        known = self.maps.current()
        operation = spec.get('operation')
        if operation in _IN_PLACE:
            return VolumeRequest(known, _IN_PLACE[operation])
        volume = spec.get('volume_properties') or {}
        request = {'project': _project(properties, volume)}
        if known.site_map is not None:
            request['residence'] = known.site_map.sites_of_project(
                request['project'])
        if operation in _MOVES:
            return self._move(_MOVES[operation], properties, volume, request,
                              known, backend_states)
        hints = properties.get('scheduler_hints') or {}
        request['hinted'] = _named(hints.get(HINT), known.site_map, is_quiet)
        request.update(self._image(properties, spec, is_quiet))
        return VolumeRequest(known, admission.Operation.CREATE.value,
                             admission.Request(**request))

    def _move(self, verb, properties, volume, request, known, backend_states):
        backend = volume.get('cluster_name') or volume.get('host')
        homes = {backend_sites.names_of(known.of(backend_state))
                 for backend_state in backend_states
                 if _is_same(backend, backend_state.backend_id)}
        if not homes:
            # Another filter has removed it, or it is down.
            homes = {backend_sites.names_of(
                known.in_zone(volume.get('availability_zone')))}
        # Cinder has asked its policy. A retype that would leave is refused
        # before this is looked at.
        request.update(operation=admission.Operation.MIGRATE, may_cross=True)
        return VolumeRequest(
            known, verb, admission.Request(**request), homes.pop(),
            properties.get('vol_exists_on') if verb == RETYPE else None)

    def _image(self, properties, spec, is_quiet):
        image_id = spec.get('image_id')
        if not image_id:
            return {}
        locality = self._locality(properties, is_quiet)
        if locality == admission.IGNORE:
            return {}
        try:
            stores = self._images.get(properties['context'], image_id)
        except Exception as exc:
            text = (f'where image {image_id} is could not be found out: '
                    f'{type(exc).__name__}: {exc}')
            if self._is_unknown_refused:
                raise Unknown(text) from exc
            if not is_quiet:
                LOG.warning('DCN: %s; unknown_locality=allow: its locality '
                            'is not looked at', text)
            return {}
        return {'image_locality': locality, 'stores': stores}

    def _locality(self, properties, is_quiet):
        volume_type = properties.get('volume_type') or {}
        specs = volume_type.get('extra_specs', {}) or {}
        locality = specs.get(IMAGE_LOCALITY, self._image_locality)
        if locality in admission.LOCALITIES:
            return locality
        # Cinder checks no extra spec when it is set.
        if not is_quiet:
            LOG.warning('DCN: extra spec %s=%s of volume type %s is none of '
                        '%s and counts as %s', IMAGE_LOCALITY, locality,
                        volume_type.get('name', None),
                        ', '.join(admission.LOCALITIES), self._image_locality)
        return self._image_locality


_shared = None
_shared_lock = threading.Lock()


def shared():
    """Return the one :class:`VolumeRequests` of this scheduler.

    Cinder makes a new filter and a new weigher for each request, and keeps
    neither. The options are those of the first request.

    :raises ValueError: if an option has a value that is not valid.
    """
    global _shared
    with _shared_lock:
        if _shared is None:
            conf = cfg.CONF
            volume_sites.register_opts(conf)
            # A misspelt option is told; cinder-volume may read this file.
            volume_images.register_opts(conf)
            # cinder-volume may read the same file.
            locking.register_opts(conf)
            unknown_options.warn(conf, volume_sites.GROUP.name, health.OPTS)
            _shared = VolumeRequests(conf.dcn)
            LOG.info('DCN site-aware scheduling of volumes (dcn_plugins %s), '
                     'site_lookup=%s image_locality=%s',
                     version.version_string(), conf.dcn.site_lookup,
                     conf.dcn.image_locality)
        return _shared


def forget():
    """Let the next :func:`shared` be a new one, with the options of then."""
    global _shared
    with _shared_lock:
        _shared = None


def id_of(properties):
    """Return what the request is about, for the log."""
    spec = properties.get('request_spec') or {}
    for resource in ('volume', 'snapshot', 'group'):
        if spec.get(f'{resource}_id'):
            return f'{resource} {spec[f"{resource}_id"]}'
    return 'volume'


def _project(properties, volume):
    # Of a snapshot or a group only the size is sent along.
    return volume.get('project_id') or getattr(
        properties.get('context'), 'project_id', None)


def _is_same(backend, backend_id):
    # The host of a volume that is older than pools names none.
    return backend in (backend_id, backend_id.partition('#')[0])


def _named(names, site_map, is_quiet):
    if not names:
        return None
    found = set()
    for name in names if isinstance(names, (list, tuple)) else [names]:
        for part in sites.listed(str(name)):
            if not part.startswith(GROUP_PREFIX):
                found.add(part)
            elif site_map is None:
                if not is_quiet:
                    LOG.warning('DCN: which sites are in %s is not known; '
                                'the scheduler hint %s is not looked at',
                                part, HINT)
                return None
            else:
                # A group without sites is named as it is, and so refused.
                found.update(site_map.sites_of_group(
                    part.removeprefix(GROUP_PREFIX)) or [part])
    return frozenset(found)


def _stores(context, image_id):
    # Not at the top: Cinder's module and another import each other, and who
    # comes to this one first fails.
    from cinder.image import glance

    image = glance.get_default_image_service().show(context, image_id)
    return image.get('stores') or (
        image.get('properties') or {}).get('stores')
