# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn explain server|volume|image``."""

import time

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.osc import columns
from dcn_plugins.osc import explanation
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import image_matrix
from dcn_plugins.osc import named_image
from dcn_plugins.osc import named_resource
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site
from dcn_plugins.osc import site_facts
from dcn_plugins.osc import site_services
from dcn_plugins.placement import overview


class _Explain(command.ShowOne):

    noun = None

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(self.noun, metavar=f'<{self.noun}>',
                            help=f'Name or id of a {self.noun}')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        reader = site.pane_of(self.app, parsed_args)
        return tuple(zip(*self.fields(
            self.app.client_manager.dcn, reader.entries(),
            getattr(parsed_args, self.noun), parsed_args.service_seconds)))


class ExplainServer(_Explain):
    """Tell which site a server is in, and why each site would take it or not.

    Of a server that has a host the question is a migration, else its
    creation. Nova's scheduler is taken for strict, see [dcn] move_policy.
    """

    noun = 'server'

    def fields(self, client, entries, name, seconds):
        """Yield what is told."""
        server = named_resource.server(client.cloud, name, seconds)
        host = server.get('OS-EXT-SRV-ATTR:host')
        yield from (('id', server['id']), ('name', server['name']),
                    ('status', server['status']), ('host', host),
                    ('site', explanation.site_of_host(entries, host)),
                    ('pinned_zone', server.get('pinned_availability_zone')),
                    ('fault', (server.get('fault') or {}).get('message')))
        image_id = (server.get('image') or {}).get('id')
        stores = None if not image_id else _stores(client, image_id, seconds)
        yield 'image', image_id
        yield 'image_stores', columns.ListColumn(stores or [])
        volumes = [client.cloud.get_volume(volume['id'], seconds) for volume
                   in server.get('os-extended-volumes:volumes_attached', ())]
        zones = [volume['availability_zone'] for volume in volumes]
        yield 'volumes', columns.ListColumn([
            f'{volume["id"]} in {volume["availability_zone"]}'
            for volume in volumes])
        yield 'sites', VerdictsColumn(explanation.verdicts(
            explanation.request_of_server(server, entries, stores, zones),
            entries, _closed({'computes': client.cloud.computes}, entries,
                             seconds)))


class ExplainVolume(_Explain):
    """Tell which site a volume is in, and why each site would take it or not.

    """

    noun = 'volume'

    def fields(self, client, entries, name, seconds):
        """Yield what is told."""
        volume = named_resource.volume(client.cloud, name, seconds)
        zone = volume['availability_zone']
        yield from (('id', volume['id']), ('name', volume.get('name')),
                    ('status', volume['status']), ('zone', zone),
                    ('backend', volume.get('os-vol-host-attr:host')))
        found = sorted(explanation.sites_of_zone(entries, zone))
        yield 'site', ' or '.join(found) or None
        image_id = (volume.get('volume_image_metadata') or {}).get('image_id')
        stores = [] if not image_id else _stores(client, image_id, seconds)
        near = {store for name in found for store in entries[name].stores}
        yield 'image', image_id
        yield 'image_stores', columns.ListColumn(stores or [])
        yield 'image_is_there', (
            None if not stores else not near.isdisjoint(stores))
        yield 'sites', VerdictsColumn(explanation.verdicts(
            explanation.request_of_volume(volume, entries), entries,
            _closed({name: getattr(client.cloud, name) for name in (
                'volume_services', 'clusters', 'pools')}, entries, seconds)))


class ExplainImage(_Explain):
    """Tell in which sites an image is, wanted or on its way, and why."""

    noun = 'image'

    def fields(self, client, entries, name, seconds):
        """Yield what is told."""
        image = named_image.image(client.cloud, name, seconds)
        now = time.time()
        entries_of_image = (() if client.jobs is None
                            else client.jobs.entries(image['id']))
        states = image_matrix.states_of(
            image, client.policy, pane.writable(client.cloud.stores(seconds)),
            entries_of_image, now)
        yield from (('id', image['id']), ('name', image.get('name')),
                    ('status', image['status']),
                    ('policy', client.policy.source if client.policy
                     else None),
                    ('jobs_known', client.jobs is not None))
        told = {}
        for name, entry in entries.items():
            mine = [states[store] for store in entry.stores
                    if store in states]
            told[name] = [{'store': state.store, 'state': state.course.value,
                           'why': _why(state)} for state in mine]
        yield 'sites', PlacesColumn(told)


class VerdictsColumn(columns.ListColumn):
    """Verdicts of all sites; a line for each."""

    def human_readable(self):
        return explanation.text_of(self._value)


class PlacesColumn(columns.ListColumn):
    """Where an image is, site by site."""

    def human_readable(self):
        return '\n'.join(
            f'{name}: ' + ('; '.join(
                f'{told["state"]} in {told["store"]}'
                + (f' ({told["why"]})' if told['why'] else '')
                for told in found) or 'Glance has no store of this site')
            for name, found in self._value.items())


def _closed(read, entries, seconds):
    """Return what of the services of each site is disabled in whole.

    :param read: of the :class:`~dcn_plugins.osc.cloud.Cloud`, by names.
    """
    told = reading.read_all(read, seconds)
    problems = [fact.problem for fact in told.values() if not fact.is_known]
    if problems:
        return dict.fromkeys(entries, 'whether its services are disabled is '
                             f'not known ({problems[0]})')
    nothing = facts.Fact(())
    services = site_services.Services(
        told.get('computes', nothing), told.get('volume_services', nothing),
        told.get('pools', nothing))
    return explanation.closed(entries, services, told['clusters'].value
                              if 'clusters' in told else None)


def _why(state):
    reasons = [state.reason] if state.reason else []
    if state.verdict is not None and state.verdict.line:
        reasons.append(f'{state.verdict.state.value} by '
                       f'{state.verdict.rule!r}, line {state.verdict.line}: '
                       f'{state.verdict.reason}')
    if state.course is overview.Course.LACKING:
        reasons.append('no job yet')
    return '; '.join(reasons)


def _stores(client, image_id, seconds):
    """Return the stores of an image, ``None`` if it is gone."""
    try:
        return site_facts.stores_of(client.cloud.get_image(image_id, seconds))
    except exceptions.ServiceError as exc:
        if exc.status != 404:
            raise
        return None
