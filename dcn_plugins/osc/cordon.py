# SPDX-License-Identifier: Apache-2.0
"""Plans that close a site to all that is new, and open it again."""

from dcn_plugins import exceptions
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site_entry
from dcn_plugins.osc import site_services
from dcn_plugins.osc import step


def cordoned(client, site, seconds, reason=''):
    """Return the steps that disable what is enabled at a site.

    The errors are those of :func:`services_of`.
    """
    _entry, *services = services_of(client, site, seconds)
    return step.cordoned(site, *services, reason)


def uncordoned(client, site, seconds):
    """Return the steps that enable what :func:`cordoned` has disabled.

    And the names of what somebody else has disabled, which is left alone. The
    errors are those of :func:`services_of`.
    """
    _entry, *services = services_of(client, site, seconds)
    return step.uncordoned(site, *services)


def services_of(client, site, seconds):
    """Return the entry of a site, its computes, backends, and all clusters.

    :raises NotDone: if a service does not tell: half a cordon is none.
    :raises ConfigError: if there is no such site.
    """
    cloud = client.cloud
    told = reading.read_all({
        'aggregates': cloud.aggregates, 'computes': cloud.computes,
        'volume_services': cloud.volume_services,
        'clusters': cloud.clusters, 'pools': cloud.pools}, seconds)
    for fact in told.values():
        if not fact.is_known:
            raise exceptions.NotDone(f'{fact.problem}; nothing was changed',
                                     'Call the command again')
    entries = site_entry.entries_of(told['aggregates'].value)
    entry = pane.chosen(entries, [site])[site]
    services = site_services.Services(
        told['computes'], told['volume_services'], told['pools'])
    return (entry, services.computes_of(entry), services.backends_of(entry),
            {found['name']: found for found in told['clusters'].value})
