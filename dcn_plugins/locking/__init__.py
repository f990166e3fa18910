# SPDX-License-Identifier: Apache-2.0
"""Locks of the site's DLM that are checked, never assumed.

==========  ==============================================================
``names``   what a lock is called, from what an operation touches (pure)
``guard``   holds several locks at once and reports each that was not ours
==========  ==============================================================
"""
