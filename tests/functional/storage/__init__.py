# SPDX-License-Identifier: Apache-2.0
"""Ceph, locks and the RBD driver on a real Ceph and a real etcd.

No service of OpenStack runs here: a driver is made as cinder-volume would
make it, in as many processes as a test needs. ``rig`` starts what is needed.
"""
