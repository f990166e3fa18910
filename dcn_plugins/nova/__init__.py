# SPDX-License-Identifier: Apache-2.0
"""Door of nova-scheduler.

================  ==========================================================
``site_filter``   keeps a server that moves inside its site
================  ==========================================================
"""
