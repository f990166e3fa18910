# SPDX-License-Identifier: Apache-2.0
"""The requests to the image service, and what its refusals mean.

Not glanceclient: glance-api does not depend on it, and three requests need
no client.
"""

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from dcn_plugins.conf import imagecopy
from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need
from dcn_plugins import version

#: Images of one answer; Glance gives no more than [DEFAULT] api_limit_max.
_PAGE = 200

#: How long Glance may take to remove a copy: it does so before it answers.
REMOVAL_SECONDS = 300.0

_KEYSTONE_AUTHTOKEN = 'keystone_authtoken'

_REMEDIES = {
    400: 'copy-image must be in [DEFAULT] enabled_import_methods of the '
         'glance-api that was asked',
    401: 'The credentials in [dcn] or [keystone_authtoken] of glance-api.conf '
         'are not accepted',
    403: 'The user in [dcn] or [keystone_authtoken] of glance-api.conf needs '
         'the policy copy_image, which is the role admin unless changed',
    413: 'A quota is exceeded',
}

#: Refusals that may be different next time: a busy image, a slow server, too
#: many requests.
_PASSING = (408, 409, 425, 429)


class ImageAPI:
    """The image service as seen by one thread of one process.

    The session is made at the first request, so after the fork of the
    process, and keeps its token. No request is repeated here: whoever calls
    decides about that.

    Methods raise ``CopyPostponed`` when a later try may succeed and
    ``CopyRefused`` when it will not.
    """

    def __init__(self, conf):
        self._conf = conf
        self._adapter = None

    def get_image(self, image_id):
        """Return the image, or None when there is none (or none to see)."""
        try:
            return self._get(image_id, f'/images/{image_id}')
        except ks_exceptions.NotFound:
            return None

    def get_stores(self, image_id):
        """Return the names of the stores that can be copied to.

        :param image_id: the image that they are for, named in errors.
        """
        try:
            answer = self._get(image_id, '/info/stores')
        except ks_exceptions.NotFound as exc:
            raise self._refused(
                image_id, 'the glance-api that was asked has only one store '
                '([DEFAULT] enabled_backends is not set). Name the one that '
                'has all of them in [dcn] copy_endpoint_override') from exc
        return copy_need.writable(answer.get('stores', ()))

    def list_images(self):
        """Yield each active image, hidden ones and those of all projects.

        It asks for one page after the other. An image that is made or deleted
        meanwhile may be missing or listed.
        """
        for is_hidden in ('false', 'true'):
            path = ('/images?status=active&visibility=all&limit='
                    f'{_PAGE}&os_hidden={is_hidden}')
            while path:
                try:
                    answer = self._get('(all)', path)
                except ks_exceptions.NotFound as exc:
                    raise self._refused('(all)', str(exc)) from exc
                yield from answer.get('images', ())
                # It begins with the version, as seen by Glance.
                path = (answer.get('next') or '').partition('/v2')[2]

    def request_copy(self, image_id, stores):
        """Ask for a copy to each store; one that fails spares the others."""
        body = {'method': {'name': 'copy-image'}, 'stores': list(stores),
                # The default, true, takes away what has been copied already.
                'all_stores_must_succeed': False}
        try:
            self._request(image_id, 'POST', f'/images/{image_id}/import',
                          stores=stores, json=body)
        except ks_exceptions.NotFound as exc:
            raise exceptions.CopyPostponed(image_id, 'not found') from exc
        except exceptions.CopyRefused as exc:
            self._forgive_if_present(image_id, stores, exc)

    def remove_copy(self, image_id, store):
        """Have Glance remove the copy in a store, if there is one.

        :raises RemovalRefused: if Glance has answered that it does not; or if
            it was not asked.
        :raises RemovalUnanswered: if nobody knows whether it does, or will.
        """
        try:
            client, base_url = self._connect()
        except (ks_exceptions.ClientException, cfg.Error) as exc:
            raise exceptions.RemovalRefused(image_id, store, str(exc)) from exc
        try:
            client.request(f'{base_url}/stores/{store}/{image_id}', 'DELETE',
                           timeout=REMOVAL_SECONDS)
        except ks_exceptions.NotFound:
            return
        except ks_exceptions.HTTPClientError as exc:
            raise exceptions.RemovalRefused(
                image_id, store, str(exc), exc.http_status == 409) from exc
        except ks_exceptions.ClientException as exc:
            raise exceptions.RemovalUnanswered(image_id, store,
                                               str(exc)) from exc

    def _forgive_if_present(self, image_id, stores, refusal):
        # Glance refuses (400) the whole request when one store has the image,
        # as after a copy that somebody else has just finished.
        image = self.get_image(image_id) or {}
        present = set(stores) & set(copy_need.names(image.get('stores')))
        if not present:
            raise refusal
        raise exceptions.CopyPostponed(
            image_id, f'it has just come to {",".join(sorted(present))}'
        ) from refusal

    def _get(self, image_id, path):
        response = self._request(image_id, 'GET', path)
        try:
            return response.json()
        except ValueError as exc:
            # Something on the way answers in place of Glance.
            raise exceptions.CopyPostponed(
                image_id, f'the answer to {path} is not JSON') from exc

    def _request(self, image_id, method, path, stores=(), **kwargs):
        try:
            client, base_url = self._connect()
            return client.request(base_url + path, method, **kwargs)
        except ks_exceptions.NotFound:
            raise
        except ks_exceptions.HTTPClientError as exc:
            if exc.http_status in _PASSING:
                raise exceptions.CopyPostponed(image_id, str(exc)) from exc
            remedy = _REMEDIES.get(exc.http_status)
            raise self._refused(
                image_id, f'{exc}. {remedy}' if remedy else str(exc),
                stores) from exc
        except (ks_exceptions.AuthPluginException,
                ks_exceptions.CatalogException, cfg.Error) as exc:
            raise self._refused(
                image_id, f'{exc}. Correct [dcn] or [keystone_authtoken] in '
                'glance-api.conf', stores) from exc
        except ks_exceptions.ClientException as exc:
            raise exceptions.CopyPostponed(image_id, str(exc)) from exc

    def _connect(self):
        if self._adapter is None:
            self._adapter = _make_adapter(self._conf)
        try:
            self._adapter.session.get_auth_headers()
            return self._adapter, _base_url(self._adapter)
        except ks_exceptions.NotFound as exc:
            # Of Keystone, and so not an image that is gone.
            raise ks_exceptions.AuthPluginException(
                f'There is no Keystone at {exc.url}') from exc

    @staticmethod
    def _refused(image_id, reason, stores=()):
        return exceptions.CopyRefused(
            image_id, stores or ('the stores in its dcn_sites',), reason)


def _base_url(client):
    url = client.get_endpoint()
    if url is None:
        raise ks_exceptions.EndpointNotFound(
            f'The catalogue has no image endpoint for the interface '
            f'{client.interface} and the region {client.region_name}')
    url = url.rstrip('/')
    # The catalogue may or may not name the version.
    return url if url.endswith('/v2') else f'{url}/v2'


def _make_adapter(conf):
    group = imagecopy.GROUP.name
    if not (conf[group].auth_section or conf[group].auth_type):
        group = _KEYSTONE_AUTHTOKEN
        # keystonemiddleware registers the same options; twice does no harm.
        loading.register_auth_conf_options(conf, group)
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        raise ks_exceptions.MissingAuthPlugin(
            f'No credentials: neither [dcn] nor [{group}] has auth_type')
    session = loading.session.Session().load_from_options(
        auth=auth, insecure=_tls(conf, group, 'insecure'),
        cacert=_tls(conf, group, 'cafile'),
        cert=_tls(conf, group, 'certfile'), key=_tls(conf, group, 'keyfile'),
        timeout=conf.dcn.copy_request_timeout_seconds)
    return adapter.Adapter(
        session, service_type='image', interface=conf.dcn.copy_interface,
        region_name=conf.dcn.copy_region_name,
        endpoint_override=conf.dcn.copy_endpoint_override,
        client_name='dcn_plugins', client_version=version.version_string())


def _tls(conf, group, name):
    # keystonemiddleware has options of its own under these names. Ours under
    # the same names would make it fail.
    try:
        return conf[group][name]
    except cfg.NoSuchOptError:
        return None
