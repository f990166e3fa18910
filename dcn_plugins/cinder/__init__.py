# SPDX-License-Identifier: Apache-2.0
"""Door of cinder-volume.

==============  ==========================================================
``rbd_driver``  ``volume_driver`` of cinder.conf: upstream's RBD driver
                with each change of Ceph under locks of the site's DLM
==============  ==========================================================
"""
