# SPDX-License-Identifier: Apache-2.0
"""Our locks on a real etcd, and in tooz's own tests."""
