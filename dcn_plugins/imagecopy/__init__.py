# SPDX-License-Identifier: Apache-2.0
"""Copy one image from one Ceph cluster to several others.

====================  ====================================================
``request``           what is to be copied where, and what became of it
``service``           ``copy()``: the one thing that others call
====================  ====================================================
"""
