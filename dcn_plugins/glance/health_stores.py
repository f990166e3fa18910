# SPDX-License-Identifier: Apache-2.0
"""``dcn_stores``: whether the Ceph of this glance-api's own stores answers.

Its own are those of its site. A glance-api at the centre has the stores of
all sites; that one of them is away must not take it out of rotation.
"""

from dcn_plugins.ceph import reach
from dcn_plugins.conf import health
from dcn_plugins import exceptions
from dcn_plugins.glance import rbd_stores
from dcn_plugins.health import extension
from dcn_plugins.health import probe
from dcn_plugins.health import verdict

SOURCE = '[dcn] health_stores'


class StoresCheck(extension.ProbesExtension):
    """``dcn_stores`` in ``backends`` of ``[app:healthcheck]``."""

    name = 'dcn_stores'

    def probes(self):
        """Return a probe for each store; see :class:`ProbesExtension`."""
        conf = self.oslo_conf
        health.register_store_opts(conf)
        seconds = conf.dcn.health_deadline_seconds
        probes, errors = [], []
        for store in _own_stores(conf):
            place = rbd_stores.place(conf, store)
            if place is None:
                errors.append(exceptions.ConfigError(
                    SOURCE, f'{store} is no RBD store of enabled_backends '
                    'with an rbd_store_user', 'Name the stores of this site '
                    'that are in RBD'))
            else:
                probes.append(_probe(place, seconds))
        return probes, errors


def _own_stores(conf):
    if not conf.enabled_backends:
        raise exceptions.ConfigError(
            'enabled_backends', 'it is not set', 'Name the stores there, or '
            'take dcn_stores out of the backends of the health check')
    found = conf.dcn.health_stores or [conf.glance_store.default_backend]
    return list(dict.fromkeys(filter(None, found)))


def _probe(place, seconds):
    what = f'Ceph of store {place.store}'

    def make():
        there = reach.Reach(place, seconds)
        return lambda: _asked(there, what)

    return probe.Probe(what, make, seconds)


def _asked(there, what):
    try:
        full = there.ask()
    except exceptions.ClusterUnreachable as exc:
        return verdict.Verdict(False, f'{what} does not answer', str(exc))
    except exceptions.CephError as exc:
        return verdict.Verdict(False, f'{what} refuses us', str(exc))
    # Images can be read from what is full, so it is no reason to go.
    return verdict.Verdict(True, f'{what} is full', full) if full else (
        verdict.Verdict(True))
