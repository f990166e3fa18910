# SPDX-License-Identifier: Apache-2.0
"""The programs of the lab, one file each.

``mariadb``, ``rabbitmq``, ``etcd``, ``ceph``, ``keystone``, ``placement``,
``nova``, ``glance``, ``cinder``, ``libvirt``, ``wsgi`` (uWSGI, for the APIs),
``neutron_stub`` and ``image_source`` (an HTTP server for imports). ``horizon``
is started by the test that needs it.
"""
