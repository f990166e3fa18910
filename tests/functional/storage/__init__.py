# SPDX-License-Identifier: Apache-2.0
"""Ceph, locks and the RBD driver on a real Ceph and a real etcd.

No service of OpenStack runs here: a driver is made as cinder-volume would
make it, in as many processes as a test needs. ``rig`` starts what is needed.
"""

import eventlet

# As cinder-volume of this release does; else calls of librbd that are handed
# to eventlet's threads could only be waited for by the first thread.
eventlet.monkey_patch()
