# SPDX-License-Identifier: Apache-2.0
"""The requests to the image service that Cinder itself does not make.

Not glanceclient: four requests need no client, and Cinder's wrapper of it
repeats each with a traceback in the log.
"""

from keystoneauth1 import exceptions as ks_exceptions
from oslo_config import cfg

from dcn_plugins import exceptions
from dcn_plugins import sites

_REMEDIES = {
    400: 'copy-image must be in [DEFAULT] enabled_import_methods of its '
         'glance-api.conf',
    403: 'None of the credentials in [glance], [service_user] and '
         '[keystone_authtoken] of cinder.conf suffices: copies need the '
         'policy copy_image, which is the role admin unless changed',
    413: 'A quota is exceeded',
}

#: Refusals that may be different next time.
_PASSING = (408, 425, 429)

#: Other credentials may be answered differently. What somebody must not see
#: is not found.
_PERSONAL = (ks_exceptions.Unauthorized, ks_exceptions.Forbidden,
             ks_exceptions.NotFound, ks_exceptions.AuthPluginException,
             ks_exceptions.CatalogException, cfg.Error)


class ImageAPI:
    """The image service, asked with what credentials there are; thread-safe.

    No request is repeated here, except with other credentials. Methods raise
    ``CopyPostponed`` when a later try may succeed and ``CopyRefused`` when it
    will not.

    :param access: :class:`~dcn_plugins.cinder.image_access.Access`.
    """

    def __init__(self, access):
        self._access = access

    def image(self, context, image_id):
        """Return the image as Glance shows it."""
        return self._json(image_id, self._request(
            context, image_id, 'GET', f'/images/{image_id}',
            is_user_first=True))

    def locations(self, context, image_id):
        """Return ``[{'url': ..., 'metadata': ...}]`` of all copies.

        Glance answers services only, whatever show_multiple_locations says.
        """
        return self._json(image_id, self._request(
            context, image_id, 'GET', f'/images/{image_id}/locations'))

    def stores(self, context, image_id):
        """Return the names of the stores of the glance-api that is asked.

        :param image_id: the image that they are for, named in errors.
        """
        answer = self._json(image_id, self._request(
            context, image_id, 'GET', '/info/stores', is_user_first=True))
        # Glance marks read-only stores (http) with the string "true".
        return frozenset(
            store['id'] for store in answer.get('stores', ())
            if str(store.get('read-only', '')).lower() != 'true')

    def request_copy(self, context, image_id, store):
        """Ask for a copy; return whether Glance has taken the request.

        It has not while it is busy with the image, and when the store has
        the image already.
        """
        body = {'method': {'name': 'copy-image'}, 'stores': [store]}
        try:
            self._request(context, image_id, 'POST',
                          f'/images/{image_id}/import', json=body)
        except exceptions.CopyRefused as exc:
            if isinstance(exc.__cause__, ks_exceptions.Conflict):
                return False
            if isinstance(exc.__cause__, ks_exceptions.BadRequest) and (
                    store in names(self.image(context, image_id), 'stores')):
                return False
            raise
        return True

    def _request(self, context, image_id, method, path, is_user_first=False,
                 **kwargs):
        user = [self._access.user(context)]
        services = self._access.services()
        refusal = None
        for auth in user + services if is_user_first else services + user:
            try:
                return self._access.session.request(
                    _base_url(self._access.url(context)) + path, method,
                    auth=auth, user_agent='dcn_plugins', **kwargs)
            except _PERSONAL as exc:
                # The first ones are the ones that should do.
                refusal = refusal or exc
            except ks_exceptions.ClientException as exc:
                raise self._error(image_id, exc) from exc
        raise self._error(image_id, refusal) from refusal

    @staticmethod
    def _error(image_id, exc):
        status = getattr(exc, 'http_status', None)
        if isinstance(exc, ks_exceptions.HTTPClientError):
            is_passing = status in _PASSING
        else:
            is_passing = not isinstance(exc, _PERSONAL)
        if is_passing:
            return exceptions.CopyPostponed(image_id, str(exc))
        remedy = _REMEDIES.get(status)
        return exceptions.CopyRefused(
            image_id, ('the store of this site',),
            f'{exc}. {remedy}' if remedy else str(exc))

    @staticmethod
    def _json(image_id, response):
        try:
            return response.json()
        except ValueError as exc:
            # Something on the way answers in place of Glance.
            raise exceptions.CopyPostponed(
                image_id, f'the answer to {response.url} is not JSON'
            ) from exc


def names(image, key):
    """Return the store names in a property of an image.

    :param image: as Glance shows it, or as Cinder's client does.
    """
    return sites.listed(image.get(key)
                        or (image.get('properties') or {}).get(key))


def _base_url(url):
    url = url.rstrip('/')
    # The catalogue may or may not name the version.
    return url if url.endswith('/v2') else f'{url}/v2'
