# SPDX-License-Identifier: Apache-2.0
"""Options of volumes that are made from images (cinder.conf)."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'dcn', title='DCN images',
    help='Volumes from images, read by cinder-volume.')

COPY, STREAM, FAIL = 'copy', 'stream', 'fail'

OPTS = [
    cfg.StrOpt(
        'image_on_miss', default=COPY,
        choices=[
            (COPY, 'Glance is asked once to copy the image to the store of '
                   'the site, and the volume becomes a clone of that copy; '
                   'if this fails the volume is streamed, with a warning'),
            (STREAM, 'stock behaviour: each volume is streamed through '
                     'Glance'),
            (FAIL, 'the volume goes to error: nothing is streamed to a '
                   'volume from an image that the site does not have')],
        help='What happens when a volume is made from an image of which the '
             'store of this site has no copy. A copy is asked for with the '
             'credentials in [glance], [service_user] or '
             '[keystone_authtoken], or else those of the user, one of which '
             'needs the policy copy_image of Glance. Only raw images are '
             'copied, as no other can be cloned. Encrypted volumes are '
             'always streamed.'),
    cfg.FloatOpt(
        'image_copy_seconds', default=1800.0, min=1.0, max=86400.0,
        help='How long, in seconds (1 to 86400), a volume waits for the copy '
             'of its image, the time in which another volume asks for it '
             'included. When it is over the volume is streamed; the copy '
             'goes on. Set it above the time that the largest image takes. '
             'Whoever waits for the volume, as Nova does for '
             'block_device_allocate_retries times '
             'block_device_allocate_retries_interval seconds, has to wait '
             'longer than that.'),
    cfg.StrOpt(
        'placement_jobs_url', secret=True,
        help='The etcd of the central site that has the jobs of image '
             'placement, as [dcn] placement_jobs_url of glance-api.conf names '
             'it: dcn-etcd3+http://HOST:PORT,HOST:PORT (or '
             'dcn-etcd3+https). With it a volume that waits for a copy of its '
             'image (image_on_miss=copy) registers a job, or joins the one '
             'that is there and has it go first, so that the image is '
             'transferred once for all volumes and servers of the store. If '
             'etcd does not answer, or nobody begins the job within 60 '
             'seconds, Glance is asked directly, as without this option. '
             'A value that is no such URL keeps the backend from starting.'),
]

# Cinder takes what stands there for the default of each backend's own section.
BACKEND_GROUP = 'backend_defaults'

BACKEND_OPTS = [
    cfg.StrOpt(
        'dcn_store',
        help='The Glance store in the Ceph cluster of the backend, as '
             'enabled_backends of glance-api.conf names it. Default is the '
             'name of the backend\'s site (dcn_site).'),
]


def register_opts(conf):
    """Register the options of ``[dcn]``; a second call changes nothing."""
    # By name: a group object that is registered collects the options of
    # whoever registers it next.
    conf.register_opts(OPTS, group=GROUP.name)
