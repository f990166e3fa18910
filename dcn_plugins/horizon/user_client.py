# SPDX-License-Identifier: Apache-2.0
"""What asks the cloud for one request of a user."""

import contextlib

from django.conf import settings
from keystoneauth1.access import service_catalog
from keystoneauth1 import plugin
from openstack_auth import utils as auth

from dcn_plugins.osc import client
from dcn_plugins.osc import pane

#: A page is not waited for as long as a command.
SERVICE_SECONDS = 5.0


class UserAuth(plugin.BaseAuthPlugin):
    """The token and the catalogue that a user of Horizon has already.

    Nothing is asked of Keystone again, which may not let a token make another
    one.
    """

    def __init__(self, user):
        super().__init__()
        self._user = user
        self._catalogue = service_catalog.ServiceCatalogV3(
            user.service_catalog or [])

    def get_token(self, session, **_options):
        """Return the token of the user."""
        return self._user.token.id

    def get_endpoint(self, session, service_type=None, interface=None,
                     region_name=None, service_name=None, **_options):
        """Return the address of a service.

        :raises CatalogException: if the catalogue has none.
        """
        return self._catalogue.url_for(
            service_type=service_type, interface=interface,
            region_name=region_name, service_name=service_name)

    def get_project_id(self, session, **_options):
        """Return the project that the user works in."""
        return self._user.project_id


@contextlib.contextmanager
def client_of(request):
    """Give the :class:`~dcn_plugins.osc.client.Client` of a request.

    :raises ConfigError: if the file of ``DCN_CONFIG_FILE`` is of no use.
    """
    user = request.user
    options = {'auth': {'auth_url': user.endpoint}}
    path = getattr(settings, 'DCN_CONFIG_FILE', '')
    if path:
        options['dcn_config_file'] = path
    interfaces = [name for name in (
        settings.OPENSTACK_ENDPOINT_TYPE,
        getattr(settings, 'SECONDARY_ENDPOINT_TYPE', None)) if name]
    made = client.Client(auth.get_session(auth=UserAuth(user)), options,
                         interfaces, user.services_region,
                         source='the file that DCN_CONFIG_FILE names')
    try:
        yield made
    finally:
        made.close()


def site_seconds():
    """Return how long the etcd of one site may take."""
    return float(getattr(settings, 'DCN_SITE_SECONDS', pane.SITE_SECONDS))


def service_seconds():
    """Return how long a service of the centre may take."""
    return float(getattr(settings, 'DCN_SERVICE_SECONDS', SERVICE_SECONDS))
