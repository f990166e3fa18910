# SPDX-License-Identifier: Apache-2.0
"""Tests inside the host services, and on real Ceph and etcd."""

import gc

# What a service makes at its start stays as long as the test, and Python looks
# through all of it again and again: that is a sixth of the time.
gc.set_threshold(100_000, 50, 100)
