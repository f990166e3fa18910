# SPDX-License-Identifier: Apache-2.0
"""Where the image service is, and in whose name Cinder may ask it.

A user may use a public image and yet not copy it; the service may copy it and
yet not see a private one. So a request has several credentials to try.
"""

import threading

from cinder import service_auth
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import noauth
from keystoneauth1 import service_token
from oslo_config import cfg
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Sections of cinder.conf that hold credentials of the service: for Glance,
#: for the token that goes with a user's, and for checking tokens. Any of them
#: may be missing, the first always before Cinder 28.
GROUPS = ('glance', 'service_user', 'keystone_authtoken')

# Where [glance_request_timeout] sets none requests would have no end.
REQUEST_SECONDS = 60.0


class Access:
    """Credentials and address as Cinder's own client has them; thread-safe.

    Nothing is read before the first request, so after the fork.

    :param conf: the options of cinder.conf.
    """

    def __init__(self, conf):
        self._conf = conf
        self._lock = threading.Lock()
        self._session = None
        self._services = None

    @property
    def session(self):
        """The session of keystoneauth1, without credentials."""
        with self._lock:
            if self._session is None:
                conf = self._conf
                # These also reach Keystone, as in Cinder's own client.
                self._session = loading.session.Session().load_from_options(
                    insecure=conf.glance_api_insecure,
                    cacert=conf.glance_ca_certificates_file,
                    cert=conf.glance_certfile, key=conf.glance_keyfile,
                    timeout=conf.glance_request_timeout or REQUEST_SECONDS)
            return self._session

    def url(self, context):
        """Return the base URL of a glance-api, one of several at random.

        :raises EndpointNotFound: if neither cinder.conf nor the catalogue
            names one.
        """
        # Not at the top: Cinder's module and another import each other, and
        # who comes to this one first fails.
        from cinder.image import glance

        server = next(iter(glance.get_api_servers(context)), None)
        if server is None:
            raise ks_exceptions.EndpointNotFound(
                'neither glance_api_servers nor the catalogue names a '
                'glance-api')
        address, is_tls = server
        return f'{"https" if is_tls else "http"}://{address}'

    def user(self, context):
        """Return the credentials of whoever makes the volume."""
        if self._is_open:
            return noauth.NoAuth()
        return service_auth.get_auth_plugin(context)

    def services(self):
        """Return those of the service, the most fitting first.

        At first each shows its token as that of a service as well: Glance
        2025.1 takes no other word for it (rule service_api), later ones
        either. It is refused where Glance wants another role of services.
        """
        if self._is_open:
            return []
        with self._lock:
            if self._services is None:
                found = [auth for auth in map(self._load, GROUPS) if auth]
                self._services = [
                    service_token.ServiceTokenAuthWrapper(auth, auth)
                    for auth in found] + found
            return self._services

    @property
    def _is_open(self):
        return self._conf.auth_strategy != 'keystone'

    def _load(self, group):
        try:
            # Cinder has registered the same options for some of them; twice
            # does no harm.
            loading.register_auth_conf_options(self._conf, group)
            return loading.load_auth_from_conf_options(self._conf, group)
        except (ks_exceptions.ClientException, cfg.Error) as exc:
            LOG.warning('The credentials in [%s] are of no use: %s', group,
                        exc)
            return None
