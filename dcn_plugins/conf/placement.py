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
]


def register_opts(conf):
    """Register the options; a second call changes nothing."""
    group = imagecopy.GROUP
    # As in imagecopy: not the group itself, which would collect the options
    # of whoever registers it next.
    conf.register_group(
        cfg.OptGroup(group.name, title=group.title, help=group.help))
    conf.register_opts(OPTS, group=group.name)
