# SPDX-License-Identifier: Apache-2.0
"""Options of all doors, in the group ``[dcn]`` of each host service.

===================  =====================================================
``sites``            nova.conf: how strictly a server stays in its site
``volume_sites``     cinder.conf: which sites a volume may go to
``volume_images``    cinder.conf: what a volume from an image is made of
``locking``          cinder.conf: locks, the fence, what a caretaker does
``imagecopy``        glance-api.conf: how copies are asked for
``placement``        glance-api.conf: where images are to be
``health``           both of the latter: what /healthcheck asks
``unknown_options``  finds misspelt options, which oslo.config ignores
``opts``             the lists that oslo-config-generator reads
===================  =====================================================
"""
