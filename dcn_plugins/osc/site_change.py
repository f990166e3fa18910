# SPDX-License-Identifier: Apache-2.0
"""Do the steps of a plan, one after the other.

Each may be done twice. What has failed names the step and what was done
before; the same command goes on from there.
"""

import time

from dcn_plugins import exceptions
from dcn_plugins.osc import step as steps

#: Between two looks for a host that is not discovered yet.
LOOK_SECONDS = 2.0

#: How often the aggregates of a provider are written anew, because somebody
#: else was faster.
MOST_RACES = 5

#: What to do for a host that is not known.
DISCOVER = ('Start nova-compute there, then run "nova-manage cell_v2 '
            'discover_hosts", or set [scheduler] '
            'discover_hosts_in_cells_interval of nova.conf')


class SiteChange:
    """Steps on one cloud.

    :param cloud: :class:`~dcn_plugins.osc.cloud.Cloud`.
    :param seconds: how long one request may take.
    :param wait_seconds: how long to wait for a host to be discovered.
    """

    def __init__(self, cloud, seconds, wait_seconds=0.0,
                 clock=time.monotonic, sleep=time.sleep):
        self._cloud = cloud
        self._seconds = seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._sleep = sleep
        self._providers = {}

    def run(self, plan):
        """Do all steps.

        :raises NotDone: that names the step that has failed.
        """
        for number, step in enumerate(plan):
            try:
                self._DOERS[step.verb](self, step)
            except exceptions.ServiceError as exc:
                raise exceptions.NotDone(
                    f'"{step.verb.value} {step.target}'
                    f'{" " + step.host if step.host else ""}" has failed, '
                    f'{number} of {len(plan)} steps were done: {exc}',
                    'Call the same command again to go on') from exc

    def check_hosts(self, hosts):
        """Wait until hosts are known to Nova and placement.

        A host that comes into an aggregate before its provider is there is
        not mirrored in placement, and its zone has "No valid host".

        :raises NotDone: if one is not, that says what to do.
        """
        ends_at = self._clock() + self._wait_seconds
        while True:
            missing = sorted(set(hosts) - self.mirrors(hosts).keys())
            if not missing:
                return
            if self._clock() >= ends_at:
                raise exceptions.NotDone(
                    f'{", ".join(missing)}: Nova or placement does not know '
                    'of it; nothing was changed', DISCOVER)
            self._sleep(min(LOOK_SECONDS,
                            max(0.0, ends_at - self._clock())))

    def mirrors(self, hosts):
        """Return the UUIDs of the aggregates that placement has hosts in.

        A host that has no provider is not among them.

        :raises ServiceError: if Nova or placement does not tell.
        """
        self._providers = {
            (found.get('service') or {}).get('host'): found['id']
            for found in self._cloud.hypervisors(self._seconds)}
        told = {host: self._mirror_of(host) for host in hosts}
        return {host: found for host, found in told.items()
                if found is not None}

    def _mirror_of(self, host):
        provider = self._providers.get(host)
        if provider is None:
            return None
        try:
            return frozenset(self._cloud.provider_aggregates(
                provider, self._seconds)['aggregates'])
        except exceptions.ServiceError as exc:
            if exc.status == 404:
                return None
            raise

    def _aggregate(self, name):
        for found in self._cloud.aggregates(self._seconds):
            if found['name'] == name:
                return found
        raise exceptions.ServiceError(
            'Nova', f'there is no aggregate {name}',
            'Somebody else may have deleted it', 404)

    def _create(self, step):
        self._cloud.create_aggregate(step.target, step.values, self._seconds)

    def _delete(self, step):
        self._cloud.delete_aggregate(self._aggregate(step.target)['id'],
                                     self._seconds)

    def _label(self, step):
        self._cloud.act_on_aggregate(
            self._aggregate(step.target)['id'], 'set_metadata',
            {'metadata': step.values}, self._seconds)

    def _add(self, step):
        found = self._aggregate(step.target)
        if step.host not in found['hosts']:
            self._cloud.act_on_aggregate(
                found['id'], 'add_host', {'host': step.host}, self._seconds)

    def _remove(self, step):
        found = self._aggregate(step.target)
        if step.host in found['hosts']:
            self._cloud.act_on_aggregate(
                found['id'], 'remove_host', {'host': step.host},
                self._seconds)

    def _mirror(self, step):
        """See that placement has a host in an aggregate, as Nova has it."""
        if step.host not in self._providers:
            self.check_hosts([step.host])
        provider = self._providers[step.host]
        aggregate = self._aggregate(step.target)['uuid']
        for race in range(MOST_RACES):
            told = self._cloud.provider_aggregates(provider, self._seconds)
            if aggregate in told['aggregates']:
                return
            try:
                self._cloud.set_provider_aggregates(provider, {
                    'aggregates': [*told['aggregates'], aggregate],
                    'resource_provider_generation': told[
                        'resource_provider_generation']}, self._seconds)
                return
            except exceptions.ServiceError as exc:
                if exc.status != 409 or race == MOST_RACES - 1:
                    raise

    def _set_compute(self, step):
        is_on = step.verb is steps.Verb.ENABLE_COMPUTE
        for service in self._cloud.computes(self._seconds):
            if service['host'] == step.target:
                self._cloud.set_compute(service['id'], (
                    {'status': 'enabled'} if is_on else
                    {'status': 'disabled', 'disabled_reason': step.values}),
                    self._seconds)

    def _set_cluster(self, step):
        self._cloud.set_cluster(
            step.target, step.verb is steps.Verb.ENABLE_CLUSTER, step.values,
            self._seconds)

    def _set_volume(self, step):
        self._cloud.set_volume_service(
            step.target, step.verb is steps.Verb.ENABLE_VOLUME, step.values,
            self._seconds)

    _DOERS = {
        steps.Verb.CREATE: _create, steps.Verb.DELETE: _delete,
        steps.Verb.LABEL: _label, steps.Verb.ADD: _add,
        steps.Verb.REMOVE: _remove, steps.Verb.MIRROR: _mirror,
        steps.Verb.DISABLE_COMPUTE: _set_compute,
        steps.Verb.ENABLE_COMPUTE: _set_compute,
        steps.Verb.DISABLE_CLUSTER: _set_cluster,
        steps.Verb.ENABLE_CLUSTER: _set_cluster,
        steps.Verb.DISABLE_VOLUME: _set_volume,
        steps.Verb.ENABLE_VOLUME: _set_volume}
