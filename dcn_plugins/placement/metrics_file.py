# SPDX-License-Identifier: Apache-2.0
"""Write the metrics of image placement, for the node exporter or to look at.

Everything is read from etcd, so it may run anywhere. A file is replaced as a
whole, and stays what it was when etcd does not answer: its age says so.
"""

import os
import sys
import time

from oslo_config import cfg
import prometheus_client

from dcn_plugins.conf import placement
from dcn_plugins import exceptions
from dcn_plugins.placement import connected
from dcn_plugins.placement import metrics

URL_VARIABLE = 'DCN_PLACEMENT_JOBS_URL'


def add_arguments(parser):
    """Tell a parser of arguments what this command knows."""
    parser.add_argument(
        '--config-file', metavar='FILE', action='append', default=[],
        help='glance-api.conf, whose [dcn] placement_jobs_url is used; may be '
             f'given again. Without it, the variable {URL_VARIABLE} has the '
             'URL')
    parser.add_argument(
        '--output', metavar='FILE',
        help='replace this file, which ends in .prom for the node exporter, '
             'instead of writing to standard output')


def run(options, clock=time.time):
    """Write all metrics.

    :raises ConfigError: if there is no URL that is of use, or the file cannot
        be written.
    :raises EtcdError: if etcd does not answer.
    """
    url, source = _url(options)
    found = connected.ConnectedJobs(url, source)
    try:
        registry = prometheus_client.CollectorRegistry()
        registry.register(metrics.Metrics(
            found.jobs.entries(), found.numbers.survey(),
            found.numbers.tallies(), clock()))
    finally:
        found.close()
    if options.output is None:
        sys.stdout.write(prometheus_client.generate_latest(registry).decode())
        return
    try:
        prometheus_client.write_to_textfile(options.output, registry)
    except OSError as exc:
        raise exceptions.ConfigError(
            options.output, f'it cannot be written: {exc.strerror or exc}',
            'Name a file in a directory where you may write') from exc


def _url(options):
    """Return the URL of etcd and where it stands; it may hold a password."""
    if not options.config_file:
        url, source = os.environ.get(URL_VARIABLE), URL_VARIABLE
    else:
        source = ', '.join(options.config_file)
        conf = cfg.ConfigOpts()
        placement.register_opts(conf)
        try:
            conf([], default_config_files=options.config_file,
                 default_config_dirs=[])
        except cfg.Error as exc:
            raise exceptions.ConfigError(
                source, str(exc), 'Name a file that you may read') from exc
        url = conf.dcn.placement_jobs_url
        source += ' [dcn] placement_jobs_url'
    if not url:
        raise exceptions.ConfigError(
            source, 'it names no etcd', 'Set it to the URL that the '
            'glance-api processes have')
    return url, source
