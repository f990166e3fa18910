# SPDX-License-Identifier: Apache-2.0
"""Options of the copy hook and of the copier (glance-api.conf)."""

from keystoneauth1 import loading
from oslo_config import cfg
from oslo_config import types

GROUP = cfg.OptGroup(
    'dcn', title='DCN image copies',
    help='Copies to the stores that an image names in its property '
         'dcn_sites, asked for by glance-api, and how copies between RBD '
         'stores are made.')

STOCK, DCN = 'stock', 'dcn'

_TIME = '(?:[01][0-9]|2[0-3]):[0-5][0-9]'
_WINDOW = f'^{_TIME}-{_TIME}=[0-9]+$'

OPTS = [
    cfg.StrOpt(
        'copy_interface', default='internal',
        choices=['internal', 'public', 'admin'],
        help='Which endpoint of the image service in the catalogue takes '
             'the copy requests. It must be a glance-api that has all '
             'stores enabled: in a DCN cloud the one at the central site.'),
    cfg.StrOpt(
        'copy_region_name',
        help='Region of that endpoint; unset takes the first in the '
             'catalogue.'),
    cfg.URIOpt(
        'copy_endpoint_override', schemes=['http', 'https'],
        help='Base URL of the glance-api that takes the copy requests, '
             'without a version. Overrides the catalogue.'),
    cfg.FloatOpt(
        'copy_request_timeout_seconds', default=30.0, min=1.0, max=600.0,
        help='How long, in seconds (1 to 600), one HTTP request may take. '
             'The copy itself runs inside Glance and is not bounded by it.'),
    cfg.FloatOpt(
        'copy_retry_seconds', default=3600.0, min=0.0, max=86400.0,
        help='How long, in seconds (0 to 86400), a copy is tried again while '
             'Glance is busy with the image or does not answer. When the '
             'time is over an error names the image and the stores it '
             'lacks; nothing else is lost. 0 means one try.'),
    cfg.IntOpt(
        'copy_queue_size', default=10000, min=1, max=1000000,
        help='How many images may wait for their copies in one process. '
             'Beyond it an image is not copied, and an error names it; the '
             'API request that made it active is never held up.'),
    cfg.StrOpt(
        'copy_data_path', default=STOCK,
        choices=[
            (STOCK, 'Glance\'s own way: the whole image is staged in a local '
                    'file, and then written to one store after the other. '
                    'The default, because installing a package must not '
                    'change how a cloud that runs treats its data'),
            (DCN, 'between RBD stores only data go, directly, from cluster '
                  'to cluster and to all stores at once; all other stores '
                  'have Glance\'s own way')],
        help='How copy-image moves data, and an import with several stores '
             'to those after its first, if image_import_plugins ends in '
             'dcn_fan_out. Each glance-api decides for itself.'),
    cfg.IntOpt(
        'copy_store_bytes_per_second', default=0, min=0,
        help='How many bytes per second go to one store, all copies of this '
             'process together. 0 means no limit. For copy_data_path = dcn '
             'only.'),
    cfg.IntOpt(
        'copy_bytes_per_second', default=0, min=0,
        help='How many bytes per second go to all stores together, all '
             'copies of this process together. 0 means no limit. For '
             'copy_data_path = dcn only.'),
    cfg.ListOpt(
        'copy_rate_windows', default=[],
        item_type=types.String(regex=_WINDOW),
        help='Other values of copy_bytes_per_second for parts of the day, in '
             'the local time of this host: a list of items like '
             '08:00-18:00=25000000; after midnight if the second time is the '
             'earlier one. The first that the time is in counts, and none '
             'means copy_bytes_per_second. 0 means no limit. Copies that run '
             'change within some seconds. For copy_data_path = dcn only.'),
]

# Not loading.register_session_conf_options: its "timeout" would be a second
# name for copy_request_timeout_seconds.
TLS_OPTS = [opt for opt in loading.get_session_conf_options()
            if opt.dest in ('cafile', 'certfile', 'keyfile', 'insecure')]


def register_opts(conf):
    """Register the options of the hook; a second call changes nothing."""
    # Not GROUP itself: every conf that it is registered with shares its
    # options, also those of the auth plugin that only one of them has.
    conf.register_group(
        cfg.OptGroup(GROUP.name, title=GROUP.title, help=GROUP.help))
    conf.register_opts(OPTS + TLS_OPTS, group=GROUP)
    loading.register_auth_conf_options(conf, GROUP.name)


def auth_opts(conf):
    """Return the options that the auth plugin chosen in ``[dcn]`` reads.

    They are registered only when the plugin is loaded. Empty when the
    credentials come from another group. Raises ``NoMatchingPlugin`` of
    keystoneauth when there is no plugin of that name.
    """
    if conf[GROUP.name].auth_section or not conf[GROUP.name].auth_type:
        return []
    return loading.get_auth_plugin_conf_options(conf[GROUP.name].auth_type)


def list_opts():
    """Return ``[(group, options)]`` for oslo-config-generator."""
    return [(GROUP,
             OPTS + TLS_OPTS + loading.get_auth_common_conf_options())]
