# SPDX-License-Identifier: Apache-2.0
"""A real multi-site OpenStack on one machine.

=================  ===========================================================
``__main__``       ``python -m tests.lab up|demo|status|exec|service|wan|down``
``layout``         one directory, its sites, addresses, ports and passwords
``service``        what every program of the lab has in common
``services``       one file per program: its class and its command
``process``        start, prove, stop and sweep processes
``deadline``       every wait says what it waited for
``inifile``        configuration files of the services
``catalogue``      users, roles, endpoints, aggregates, flavors
``pane_settings``  what ``openstack dcn`` has to know of a lab
``cloud``          the order in which the lab is brought up and taken down
``wan``            network namespaces and a delay line between the sites
``guest``          a guest image made of Debian's packages
``cleanup``        what may be left outside the directory, and its removal
``demo``           the workflow of an end user, one row of evidence per step
``report``         tables of services, memory and phases
=================  ===========================================================
"""
