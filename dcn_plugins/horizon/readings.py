# SPDX-License-Identifier: Apache-2.0
"""What the views ask the cloud, within a deadline.

Each function returns facts and never raises for what a service does: the page
says what is not known, and why.
"""

import time

from dcn_plugins import exceptions
from dcn_plugins.horizon import user_client
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import image_reading
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading


def sites(request):
    """Return the fact of all sites, ``(SiteFacts, hosts astray)``."""
    def read(_seconds):
        with user_client.client_of(request) as client:
            reader = _pane(client)
            return reader.sites(), reader.astray

    # First the aggregates, then all else at the same time.
    return _within(read, 2 * user_client.service_seconds()
                   + user_client.site_seconds())


def images(request):
    """Return what the matrix is made of, as facts by their names.

    ``told`` is an :class:`~dcn_plugins.osc.image_reading.ImageReading`,
    ``sites`` the entries by their names, ``policy`` that of the placement.
    """
    seconds = user_client.service_seconds()
    try:
        with user_client.client_of(request) as client:
            found = reading.read_all({
                # Its own deadline comes first, and says more.
                'told': lambda _seconds: image_reading.ImageReading(
                    client, seconds),
                'sites': lambda _seconds: _pane(client).entries()},
                seconds + 1)
            found['policy'] = pane.policy_of(client, time.time)
            return found
    except exceptions.ConfigError as exc:
        return dict.fromkeys(('told', 'sites', 'policy'),
                             facts.Fact(problem=str(exc)))


def choices(request):
    """Return ``aggregates`` and ``zones`` as facts by their names.

    The value of ``aggregates`` is ``None`` for a user who may not list them.
    """
    def aggregates(cloud, seconds):
        try:
            return cloud.aggregates(seconds)
        except exceptions.ServiceError as exc:
            if exc.status == 403:
                return None
            raise

    try:
        with user_client.client_of(request) as client:
            return reading.read_all({
                'aggregates': lambda seconds: aggregates(client.cloud,
                                                         seconds),
                'zones': client.cloud.zones}, user_client.service_seconds())
    except exceptions.ConfigError as exc:
        return dict.fromkeys(('aggregates', 'zones'),
                             facts.Fact(problem=str(exc)))


def planned(request, plan):
    """Return the fact what a plan would do.

    :param plan: called with a client and the seconds of each question.
    """
    seconds = user_client.service_seconds()

    def read(_seconds):
        with user_client.client_of(request) as client:
            return plan(client, seconds)

    return _within(read, seconds + 1)


def _pane(client):
    return pane.Pane(client, user_client.site_seconds(),
                     user_client.service_seconds())


def _within(read, seconds):
    return reading.Reading(read, seconds).fact()
