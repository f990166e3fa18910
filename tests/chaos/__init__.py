# SPDX-License-Identifier: Apache-2.0
"""Is it safe when things break?

``python -m tests.chaos storage`` lets processes that have one driver each work
on one small family of volumes, on real Ceph and etcd; ``services`` asks a real
Cinder. Both are broken meanwhile, by a plan that a seed makes, and repaired;
then what there is is compared with what was acknowledged.

What is decided, without anything that runs (pure):

* ``history``: what was asked and answered, and what was broken
* ``inventory``: what there is in Ceph and etcd at one moment
* ``ledger``: what has to be there, by what was acknowledged
* ``checker``: the promises, and where a history breaks one
* ``users``: what may be asked for when
* ``plan``: what breaks when
* ``flavours``: names of the drivers that are compared

What is broken, and how:

* ``site``: Ceph and etcd; keeps the state of etcd and brings it back
* ``proxy``: between a process and a member of etcd, and between members
* ``links``: keeps what Ceph sends from one process
* ``wallclock``: makes the wall clock of one process wrong
* ``nemesis``: carries out a plan, and repairs everything

What runs:

* ``__main__``: the command and the exit code
* ``observer``: looks at Ceph and etcd; the guest
* ``run``: one seed, from its start to its result
* ``storage``: a run of drivers
* ``worker``, ``manager``, ``drivers``: their processes, from inside
* ``workers``: the same, from outside
* ``services``: Cinder's services
* ``cloud_run``: a run of theirs
"""
