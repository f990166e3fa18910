# SPDX-License-Identifier: Apache-2.0
"""Options of image placement (glance-api.conf)."""

from oslo_config import cfg

from dcn_plugins.conf import imagecopy

OPTS = [
    cfg.StrOpt(
        'placement_policy_file',
        help='Path of the placement policy, which says which image is to be '
             'in which store; see etc/glance/placement.yaml.sample. It is '
             'looked at once a second, so no restart is needed. While the '
             'file is missing or has a mistake, one line at ERROR level says '
             'so with the line of each, and the last good policy stays in '
             'force. If this process has had no good one yet, the paste '
             'filter dcn_placement answers 503 to copy-image, and to imports '
             'and uploads that name stores, as nobody can tell whether they '
             'are allowed; everything else is as without it. Unset means no '
             'policy: nothing is refused.'),
    cfg.StrOpt(
        'placement_jobs_url', secret=True,
        help='The etcd of the central site, as the URL of our driver of '
             'tooz: dcn-etcd3+http://HOST:PORT,HOST:PORT?ttl=15 (or '
             'dcn-etcd3+https). With it and placement_policy_file, dcn_copy '
             'keeps every image where the policy wants it, by jobs that '
             'outlive any process; each glance-api must have the same etcd. '
             'While etcd is away nothing is copied and no request of a user '
             'waits or fails; what was missed is found afterwards. Unset '
             'means that dcn_copy looks at the property dcn_sites only.'),
    cfg.IntOpt(
        'placement_reconcile_seconds', default=300, min=10, max=86400,
        help='How often, in seconds (10 to 86400), one of all glance-api '
             'processes compares all images with the policy, and registers '
             'and drops jobs. That finds what events have not told: images '
             'from before, changes of the policy, deletions while this '
             'service was down. It lists all images by the API.'),
    cfg.IntOpt(
        'placement_parallel_images', default=4, min=1, max=100,
        help='For how many images (1 to 100) one process may have asked '
             'Glance to copy them at a time. More jobs wait in etcd for '
             'whoever has room. Each is a task of Glance, of which a '
             'glance-api runs 16 at a time unless changed ([wsgi] '
             'task_pool_threads).'),
    cfg.IntOpt(
        'placement_removals_per_hour', default=60, min=0, max=100000,
        help='How many copies (0 to 100000) one process has Glance remove '
             'from its stores in an hour, at most. Nothing is removed unless '
             'the placement policy says so with "evict". It is the brake for '
             'a policy that says more than was meant; 0 has this process '
             'remove nothing.'),
    cfg.BoolOpt(
        'placement_remove_deleted', default=True,
        help='Whether what Glance has left of deleted images is removed from '
             'the RBD stores of this process: Glance answers that an image is '
             'deleted, also if a store was away, whose copy stays for ever '
             'then. Only copies that dcn_plugins has made go, and names '
             'without an image behind them, if no location names them; the '
             'others are named in the log. With false, dcn-scrub finds all '
             'of them.'),
]


def register_opts(conf):
    """Register the options; a second call changes nothing."""
    group = imagecopy.GROUP
    # As in imagecopy: not the group itself, which would collect the options
    # of whoever registers it next.
    conf.register_group(
        cfg.OptGroup(group.name, title=group.title, help=group.help))
    conf.register_opts(OPTS, group=group.name)
