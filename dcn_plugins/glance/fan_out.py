# SPDX-License-Identifier: Apache-2.0
"""Plugin ``dcn_fan_out`` of Glance's imports, to be the last in the list.

``[image_import_opts] image_import_plugins = [image_conversion,dcn_fan_out]``
has an import write the data that it has staged to one RBD store only; the
other RBD stores are filled from there. Plugins have done their work on the
staged data by then, and stores that are not in RBD are filled by Glance
afterwards, from the same.
"""

from glance.common import exception
from oslo_config import cfg
from oslo_log import log as logging
from taskflow.patterns import linear_flow
from taskflow import task

from dcn_plugins.glance import copy_progress
from dcn_plugins.glance import data_path
from dcn_plugins.glance import store_copies
from dcn_plugins.glance import task_watch

LOG = logging.getLogger(__name__)


class FanOutTask(task.Task):
    """Fill the first RBD store as Glance does, and the others from it.

    What becomes of a failure is Glance's rule: with
    ``all_stores_must_succeed`` the image is as it was, in no store.

    :param conf: of Glance.
    :param claim: the :class:`~dcn_plugins.glance.claims.Claim`.
    :param claims: where it came from.
    :param asked: what Glance hands to a plugin.
    """

    def __init__(self, conf, claim, claims, asked):
        super().__init__(
            name='{task_type}-DCNFanOut-{task_id}'.format(**asked))
        self._conf = conf
        self._claim = claim
        self._claims = claims
        self._asked = asked
        self._wrapper = asked['action_wrapper']
        self._must_all = asked['import_req'].get('all_stores_must_succeed',
                                                 True)
        self._progress = copy_progress.CopyProgress(claim.ours)
        self._watch = task_watch.TaskWatch(
            asked['task_repo'], asked['task_id'], self._wrapper,
            self._progress)
        self._failed = set()

    def execute(self, file_path):
        """Fill the stores from a staged file; raises what Glance would."""
        self._claims.drop(self._asked['task_id'])
        self._claim.give_back(self._asked['backend'])
        left = list(self._claim.ours)
        store_copies.StoreCopies(self._conf, self._asked, left).announce()
        while left and not self._is_imported(left.pop(0), file_path):
            LOG.warning('Another store is the first then')
        if left:
            self._copy(left)
        if self._must_all and not self._claim.others:
            with self._wrapper as action:
                action.set_image_attribute(status='active')

    def revert(self, result, **_others):
        """Take everything back, as the steps of Glance do."""
        try:
            with self._wrapper as action:
                for store in self._claim.ours:
                    action.remove_location_for_store(store)
                action.remove_importing_stores(self._claim.ours)
                action.add_failed_stores(self._failed)
        # The steps before this one have to be taken back as well.
        except Exception:
            LOG.exception('The import of image %s was not taken back',
                          self._wrapper.image_id)

    def _is_imported(self, store, file_path):
        """Write the staged data to a store, as Glance does."""
        def on_bytes(_action, _chunk_bytes, total_bytes):
            self._progress.end(store, f'{total_bytes >> 20} MiB')
            self._watch.beat()

        with self._wrapper as action:
            if action.image_status == 'deleted':
                raise exception.ImportTaskError('The image was deleted')
            try:
                action.set_image_data(
                    file_path, self._asked['task_id'], backend=store,
                    set_active=not self._must_all, callback=on_bytes)
            # Glance raises all there is, and has logged it.
            except Exception:
                self._failed.add(store)
                if self._must_all:
                    raise
                action.add_failed_stores([store])
            action.remove_importing_stores([store])
        return store not in self._failed

    def _copy(self, stores):
        failed = store_copies.StoreCopies(self._conf, self._asked,
                                          stores).run()
        self._failed.update(failed)
        if failed and self._must_all:
            raise exception.UploadException('; '.join(
                f'{store}: {reason}' for store, reason in failed.items()))


def get_flow(**asked):
    """Return the flow that fills the RBD stores of an import.

    It is empty if there are not two of them. Never raises.
    """
    flow = linear_flow.Flow(asked['task_type'])
    claim = data_path.claim(cfg.CONF, asked, data_path.fanned_out)
    if claim is not None:
        flow.add(FanOutTask(cfg.CONF, claim, data_path.CLAIMS, asked))
        claim.take(asked['backend'])
    return flow
