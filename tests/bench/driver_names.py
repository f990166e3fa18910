# SPDX-License-Identifier: Apache-2.0
"""Which drivers are compared, and what they are asked to do. Pure."""

OURS = 'ours'
#: Upstream's, with Cinder's own locks in tooz' etcd driver.
STOCK = 'stock'
#: Upstream's without any lock: nobody may run it so in a cluster.
BARE = 'stock without locks'
#: The same two with what upstream forgets: to remove the snapshot that a
#: clone was made from, once the clone is deleted.
TIDY, TIDY_BARE = f'{STOCK}, tidy', f'{BARE}, tidy'
#: No driver at all.
RAW = 'librbd alone'

ALL = (OURS, STOCK, TIDY, BARE, TIDY_BARE, RAW)
WITHOUT_LOCKS = (BARE, TIDY_BARE, RAW)
THAT_TIDY_UP = (TIDY, TIDY_BARE)

CREATE, EXTEND, SNAPSHOT = 'create', 'extend', 'snapshot'
FROM_SNAPSHOT, CLONE = 'create_from_snapshot', 'clone'
DELETE, DELETE_CLONE = 'delete', 'delete a clone'
DELETE_SNAPSHOT = 'delete_snapshot'
