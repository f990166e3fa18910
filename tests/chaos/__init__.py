# SPDX-License-Identifier: Apache-2.0
"""Is it safe when things break?

* ``history``: what was asked and answered, and what was broken (pure)
* ``inventory``: what there is in Ceph and etcd at one moment (pure)
* ``ledger``: what has to be there, by what was acknowledged (pure)
* ``checker``: the promises, and where a history breaks one (pure)
"""
