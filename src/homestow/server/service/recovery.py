"""After a crash: every recorded intent is completed or undone, by what lies where; then what nobody needs is removed."""

import logging
from typing import Any

import msgspec

from homestow.server.ports.catalogue import Catalogue, Intent, Rows
from homestow.server.ports.content import Content
from homestow.server.rules.access import Principal
from homestow.server.service.placing import FactsPlan, FoldersPlan, Move, MovePlan, SetFacts, folders_from_plan
from homestow.server.service.publish import PublishPlan
from homestow.server.service.publish import from_plan as publish_from_plan
from homestow.server.service.trashing import Purge, PurgePlan, Restore, RestorePlan, Trash, TrashPlan
from homestow.server.service.work import Ground, Once, Plan, Work, save_answer
from homestow.values.errors import CloudError, StorageFailed
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId, RootId

_log = logging.getLogger(__name__)

AnyPlan = PublishPlan | FoldersPlan | MovePlan | FactsPlan | TrashPlan | RestorePlan | PurgePlan
_decode = msgspec.json.Decoder(AnyPlan).decode

STAGING_GRACE_NS = 24 * 3600 * 1_000_000_000
"""So long a staging file that belongs to no upload is left alone: it may be one that is just arriving."""


def settle_intents(ground: Ground) -> int:
    """Complete or undo every recorded intent whose root is there; how many were completed.

    May be called again at any time no batch is under way; what it did is never done twice.
    """
    completed = 0
    for intent in ground.catalogue.intents():
        try:
            completed += _settle(ground, intent)
        except StorageFailed as error:
            # The root is away or its disk fails: the intent waits until it is back.
            _log.warning("an intent cannot be settled yet", extra={"root": intent.root, "reason": error.message})
    return completed


def _settle(ground: Ground, intent: Intent) -> bool:
    store = ground.stores.get(intent.root)
    work = _work(ground.catalogue, _decode(intent.body))
    begun = False
    if work is not None:
        faultpoint("recovery.looking")
        begun = work.look_back(ground, store)
        if work.touched:
            store.sync_folders(work.touched)
    faultpoint("recovery.looked")
    with ground.catalogue.write() as rows:
        if begun and work is not None:
            work.record(rows)
            save_answer(rows, work)
        rows.drop_intents([intent.id])
    faultpoint("recovery.settled")
    _log.info("an intent was settled", extra={"root": intent.root, "completed": begun})
    return begun


def _work(catalogue: Catalogue, plan: AnyPlan) -> Work[Any] | None:
    """The work an intent was written down by; None when its node is not there any more."""
    who = Principal(plan.account, "", plan.device)
    work: Work[Any] | None
    match plan:
        case PublishPlan():
            work = publish_from_plan(plan, who)
        case FoldersPlan():
            work = folders_from_plan(plan, who)
        case PurgePlan():
            work = Purge.from_plan(plan, who)
        case MovePlan() | FactsPlan() | TrashPlan() | RestorePlan():
            work = _work_on_node(catalogue, plan, who, plan.node)
    if work is not None:
        work.at_ns = plan.at_ns
        work.once = None if plan.once is None else Once(*plan.once)
    return work


def _work_on_node(
    catalogue: Catalogue, plan: MovePlan | FactsPlan | TrashPlan | RestorePlan, who: Principal, node: NodeId
) -> Work[Any] | None:
    row = catalogue.node(node)
    if row is None:
        return None
    match plan:
        case MovePlan():
            return Move.from_plan(plan, who, row)
        case FactsPlan():
            return SetFacts.from_plan(plan, who, row)
        case TrashPlan():
            return Trash.from_plan(plan, who, row)
        case RestorePlan():
            return Restore.from_plan(plan, who, row)


def leftovers(catalogue: Catalogue | Rows, root: RootId, store: Content, now_ns: int, grace_ns: int) -> set[str]:
    """Staging files that belong to no upload and to no intent, and were not touched for `grace_ns`: left by a crash.

    What an intent names may be the only copy of displaced content, however old: a root may have been away for long.
    """
    needed = {str(upload) for upload in catalogue.uploads_of(root)}
    busy = {key for intent in catalogue.intents() for key in _staged_keys(_decode(intent.body))}
    found = set()
    for key in store.staged_keys():
        stat = None if key in needed or key in busy else store.look_staged(key)
        if stat is not None and abs(now_ns - max(stat.mtime_ns, stat.ctime_ns)) >= grace_ns:
            found.add(key)
    return found


def sweep_staging(ground: Ground, root: RootId, grace_ns: int = STAGING_GRACE_NS) -> int:
    """Remove `leftovers`; how many."""
    store = ground.stores.get(root)
    removed = 0
    for key in sorted(leftovers(ground.catalogue, root, store, ground.clock.now_ns(), grace_ns)):
        try:
            store.drop_staged(key)
            removed += 1
        except CloudError as error:
            _log.warning("a staging file cannot be removed", extra={"root": root, "key": key, "reason": error.message})
    return removed


def _staged_keys(plan: Plan) -> list[str]:
    return [file.staged for file in plan.files] if isinstance(plan, PublishPlan) else []
