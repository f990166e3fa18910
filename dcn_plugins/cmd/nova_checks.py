# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration of nova-scheduler and of its sites."""

import functools

from nova.conf import availability_zone
from nova.conf import cinder
from nova.conf import database
from nova.conf import libvirt
from nova.conf import scheduler
from nova.db.api import models
from nova import objects
from nova.scheduler import filters
from nova.scheduler import weights
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
from oslo_upgradecheck import upgradecheck
import sqlalchemy as sa

from dcn_plugins import admission
from dcn_plugins.cmd import ceph_checks
from dcn_plugins.cmd import dcn_options
from dcn_plugins.cmd import policy_checks
from dcn_plugins.cmd import results
from dcn_plugins.conf import sites as site_options
from dcn_plugins.imagecopy import request
from dcn_plugins.nova import placement_prefilter
from dcn_plugins import site_map
from dcn_plugins import sites

SITE_FILTER = 'DCNSiteFilter'
ONE_SITE_FILTER = 'DCNOneSiteFilter'
SITE_WEIGHER = 'DCNSiteWeigher'
ISOLATION_FILTER = 'AggregateImagePropertiesIsolation'
ISOLATION_OPTION = 'aggregate_image_properties_isolation_namespace'

# More of them than this would hide the other results.
MAX_FAULTS = 10


class _NoDatabase(Exception):
    """The sites cannot be read; the text says why."""


def register_opts(conf):
    """Register what the checks read, before the files are parsed."""
    scheduler.register_opts(conf)
    availability_zone.register_opts(conf)
    cinder.register_opts(conf)
    database.register_opts(conf)
    libvirt.register_opts(conf)
    site_options.register_opts(conf)


class NovaChecks:
    """The checks of one nova.conf and of what it names.

    :param conf: options of :func:`register_opts`; parsed by the time a check
        is run.
    """

    def __init__(self, conf):
        self._conf = conf

    def all(self):
        """Return ``[(name, function)]``."""
        return [
            ('Options of [dcn]', self.options),
            ('Scheduler filters', self.filters),
            ('Scheduler weighers', self.weighers),
            ('Placement pre-filter', self.prefilter),
            (ISOLATION_FILTER, self.isolation),
            *policy_checks.PolicyChecks(self._conf).all(),
            ('Default availability zone', self.default_zone),
            ('Volumes of other zones', self.volume_zones),
            ('Disks in Ceph', self.disks),
            ('Sites', self.sites)]

    def options(self):
        """Find options that are unknown or without a valid value."""
        found = dcn_options.check(self._conf, site_options.OPTS,
                                  file='nova.conf')
        values = self._conf.dcn
        if values.spill_back_percent > values.spill_over_percent:
            return results.failure(
                'spill_back_percent is greater than spill_over_percent: '
                'nova-scheduler does not start. Set it to the same or less.')
        return found

    def filters(self):
        """Find filters that are missing or in an order that weakens them."""
        conf = self._conf.filter_scheduler
        classes, fault = _classes(filters.HostFilterHandler(),
                                  conf.available_filters)
        if fault:
            return results.failure(f'available_filters: {fault}')
        enabled = conf.enabled_filters
        missing = [name for name in enabled if name not in classes]
        if missing:
            return results.failure(
                f'{", ".join(missing)} of enabled_filters is in none of the '
                'available_filters: nova-scheduler does not start. Add its '
                'class path there.')
        if SITE_FILTER not in enabled:
            return results.warning(
                f'{SITE_FILTER} is not in enabled_filters: servers that move '
                'may leave the site of their disk.')
        warnings = []
        before = enabled[:enabled.index(SITE_FILTER)]
        if before:
            warnings.append(
                f'{SITE_FILTER} is not the first of enabled_filters: '
                f'{", ".join(before)} work on hosts that it would have taken '
                'out. Put it first.')
        behind = (enabled[enabled.index(ONE_SITE_FILTER) + 1:]
                  if ONE_SITE_FILTER in enabled else [])
        if behind:
            warnings.append(
                f'{ONE_SITE_FILTER} is not the last of enabled_filters: '
                f'{", ".join(behind)} may refuse all hosts of the one site '
                'that it has chosen, though others have room. Put it last.')
        return results.of([], warnings)

    def weighers(self):
        """Find weighers that are missing."""
        classes, fault = _classes(weights.HostWeightHandler(),
                                  self._conf.filter_scheduler.weight_classes)
        if fault:
            return results.failure(f'weight_classes: {fault}')
        warnings = []
        lost = sorted({each.__name__ for each in weights.all_weighers()}
                      - classes)
        if SITE_WEIGHER not in classes:
            wanted = [
                f'{name} = {admission.PREFER}' for name in (
                    'move_policy', 'image_locality', 'volume_locality')
                if self._conf.dcn[name] == admission.PREFER]
            if wanted:
                warnings.append(
                    f'{", ".join(wanted)} of [dcn] needs {SITE_WEIGHER}, '
                    'which is not in weight_classes. Add '
                    'dcn_plugins.nova.site_weigher.DCNSiteWeigher.')
        elif lost:
            warnings.append(
                'weight_classes replaces its default, so that '
                f'{", ".join(lost)} have no effect. Add '
                'nova.scheduler.weights.all_weighers.')
        return results.of([], warnings)

    def prefilter(self):
        """Tell whether placement can be told about sites."""
        if not self._conf.dcn.push_to_placement:
            return results.success('Switched off with push_to_placement.')
        objects.register_all()
        fault = placement_prefilter.fault_of_seam()
        if fault:
            return results.warning(
                f'Placement cannot be told about sites: {fault}. A site may '
                'have "No valid host" when there are more hosts than '
                '[scheduler] max_placement_results. Raise that, and set [dcn] '
                'push_to_placement = false.')
        return results.success()

    def isolation(self):
        """Find a filter that logs a warning per host and key of ours."""
        conf = self._conf.filter_scheduler
        if ISOLATION_FILTER not in conf.enabled_filters:
            return results.success()
        namespace = conf[ISOLATION_OPTION]
        prefix = (namespace or '') + (
            conf.aggregate_image_properties_isolation_separator)
        is_retired = any(
            opt.dest == ISOLATION_OPTION and opt.deprecated_for_removal
            for opt in scheduler.filter_scheduler_opts)
        if namespace and not sites.SITE_KEY.startswith(prefix):
            if not is_retired:
                return results.success()
            return results.warning(
                f'With {ISOLATION_OPTION} this Nova logs a warning per host '
                'and request. Replace the filter with [scheduler] '
                'enable_isolated_aggregate_filtering.')
        return results.warning(
            f'{ISOLATION_FILTER} logs a warning per host and request for each '
            'dcn: key of an aggregate. '
            + ('Replace it with [scheduler] '
               'enable_isolated_aggregate_filtering.' if is_retired else
               f'Set {ISOLATION_OPTION} to the namespace of your own keys.'))

    def default_zone(self):
        """Find a default zone that no host is in."""
        zone = self._conf.default_schedule_zone
        if not zone:
            return results.success()
        if zone == self._conf.default_availability_zone:
            return results.success(f'{zone} stands for the hosts in no site.')
        try:
            found = self._site_map()
        except _NoDatabase as exc:
            return results.warning(f'skipped: {exc}')
        if any(zone in place.site.zones for place in found.places):
            return results.success()
        return results.failure(
            f'default_schedule_zone = {zone}, but no host is in this zone: '
            'each creation without a zone of its own is refused. Correct or '
            'remove it.')

    def volume_zones(self):
        """Find that servers may get volumes of other sites."""
        if not self._conf.cinder.cross_az_attach:
            return results.success()
        return results.warning(
            '[cinder] cross_az_attach is true, as is its default: a volume of '
            'one site can be attached to a server of another one, whose host '
            'has no way to its Ceph, or the WAN. Set it to false for '
            'nova-api, nova-conductor and nova-compute; each site then needs '
            'the same availability zone in Nova and Cinder.')

    def disks(self):
        """Ask the pool of servers' disks, and tell in which Ceph it is."""
        values = self._conf.libvirt
        if values.images_type != 'rbd':
            return results.success('No disks of servers in Ceph here.')
        missing = [name for name in ('rbd_user', 'rbd_secret_uuid')
                   if not values[name]]
        if missing:
            return results.failure(
                f'[libvirt] images_type is rbd without {" and ".join(missing)}'
                ': no server starts. Set it as site render does.')
        found = ceph_checks.answer([request.Place(
            '[libvirt]', values.images_rbd_ceph_conf
            or ceph_checks.DEFAULT_CONF, values.rbd_user,
            values.images_rbd_pool)])
        if found.code is not upgradecheck.Code.SUCCESS or (
                values.images_rbd_glance_store_name):
            return found
        return results.warning(
            '[libvirt] images_rbd_glance_store_name is not set: each server '
            'whose image is not in the Ceph of its site downloads all of it, '
            f'instead of having Glance copy it once. {found.details}')

    def sites(self):
        """Find sites of which the metadata contradict each other."""
        try:
            faults = self._site_map().faults
        except _NoDatabase as exc:
            return results.warning(f'skipped: {exc}')
        lines = [f'{site}: {fault}.' for site, fault in faults]
        if len(lines) > MAX_FAULTS:
            lines[MAX_FAULTS:] = [f'And {len(lines) - MAX_FAULTS} more.']
        return results.of([], lines)

    def _site_map(self):
        found, error = self._reading
        if error:
            raise error
        return found

    @functools.cached_property
    def _reading(self):
        try:
            return site_map.SiteMap(_aggregates(self._conf.api_database)), None
        except _NoDatabase as exc:
            return None, exc


def _aggregates(group):
    """Return ``[(uuid, metadata, hosts)]`` of all aggregates.

    Without Nova's own connection, which is one for the whole process.

    :raises _NoDatabase: if the database does not answer.
    """
    if not group.connection:
        raise _NoDatabase('[api_database] connection is not set. Run '
                          'dcn-status with the nova.conf of nova-scheduler.')
    facade = enginefacade.transaction_context()
    # One try: whoever waits for the answer wants to know that there is none.
    facade.configure(**dict(group.items(), max_retries=1, retry_interval=0))
    try:
        with facade.writer.get_engine().connect() as connection:
            rows = {
                key: (uuid, {}, []) for key, uuid in connection.execute(
                    sa.select(models.Aggregate.id, models.Aggregate.uuid))}
            for key, host in connection.execute(sa.select(
                    models.AggregateHost.aggregate_id,
                    models.AggregateHost.host)):
                # An aggregate that was made in between is left out.
                if key in rows:
                    rows[key][2].append(host)
            for key, name, value in connection.execute(sa.select(
                    models.AggregateMetadata.aggregate_id,
                    models.AggregateMetadata.key,
                    models.AggregateMetadata.value)):
                if key in rows:
                    rows[key][1][name] = value
    except (sa.exc.ArgumentError, ValueError) as exc:
        # Their texts may hold the password.
        raise _NoDatabase('[api_database] connection is no address of a '
                          'database') from exc
    except (db_exception.DBError, sa.exc.SQLAlchemyError, OSError,
            ImportError) as exc:
        raise _NoDatabase(
            'the API database does not answer: '
            f'{str(exc).splitlines()[0]}') from exc
    return list(rows.values())


def _classes(handler, paths):
    """Return (names of the classes behind paths, why there are none)."""
    names = set()
    for path in paths:
        try:
            names.update(each.__name__ for each in
                         handler.get_matching_classes([path]))
        # Whatever a module does when it is imported.
        except Exception as exc:
            # oslo.utils puts a whole traceback into the text of its own.
            cause = exc.__context__ or exc
            text = (str(cause).splitlines() or [''])[0]
            return set(), (f'{path} cannot be loaded '
                           f'({type(cause).__name__}: {text}), and '
                           'nova-scheduler does not start')
    return names, None
