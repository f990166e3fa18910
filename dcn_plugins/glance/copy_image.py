# SPDX-License-Identifier: Apache-2.0
"""Internal plugin ``copy_image`` of Glance's imports, in front of Glance's.

Glance asks all entry points of that name, in the order in which they happen
to be installed, and takes the answer of the last. So that it is always ours,
this module puts its own function in the place of Glance's when it is imported:

* ours first: Glance's entry point then finds our function, too;
* Glance's first: its own function answers once, ours afterwards, and counts;
  from the second task on both are ours.

With ``[dcn] copy_data_path = stock``, the default, it does nothing but call
Glance's.
"""

from glance.async_.flows._internal_plugins import copy_image
from oslo_config import cfg
from taskflow.patterns import linear_flow

from dcn_plugins.glance import copy_task
from dcn_plugins.glance import data_path
from dcn_plugins.glance import unchanged_images

# Not ours, should this be imported a second time.
_upstream = getattr(copy_image.get_flow, 'upstream', copy_image.get_flow)


def get_flow(**asked):
    """Return the flow that fills the stores of a copy-image.

    Called more than once for a task. Never raises of itself.

    :param asked: what Glance hands to a plugin; from ``backend`` the stores
        that are ours are taken.
    """
    claim = data_path.claim(cfg.CONF, asked, data_path.copied)
    if claim is None:
        return _upstream(**asked)
    flow = linear_flow.Flow(asked['task_type'])
    flow.add(copy_task.CopyTask(cfg.CONF, claim, data_path.CLAIMS, asked))
    if claim.others:
        flow.add(_upstream(**asked))
    else:
        unchanged_images.keep(asked['action_wrapper'])
    claim.take(asked['backend'])
    return flow


get_flow.upstream = _upstream
copy_image.get_flow = get_flow
