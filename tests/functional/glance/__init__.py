# SPDX-License-Identifier: Apache-2.0
"""Glance's own code with our driver in it.

===================  =====================================================
``glance_api``       Glance's functional test base, served on a port
``test_loading``     the driver by its entry point, and what breaks
``test_copies``      copies of images that come in the usual ways
``test_locations``   copies of an image that is only a location
===================  =====================================================

The package has to be installed (its entry points are read), and one release
of Glance with the requirements of its own tests.
"""
