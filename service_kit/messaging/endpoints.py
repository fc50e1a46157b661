"""Dead letters over HTTP: staff list, replay and discard them."""

from typing import Annotated

import structlog
from fastapi import Path, Response

from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Transaction
from service_kit.messaging import retry_queue
from service_kit.problems import NotFound, not_found
from service_kit.security.guard import Requires
from service_kit.security.principal import Principal

log = structlog.get_logger(__name__)

router = Router(prefix="/dead-letters", tags=["dead letters"])

LetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Staff = Annotated[Principal, Requires("dead-letters:manage")]


@router.get("", summary="List dead letters")
async def dead_letters(tx: Transaction, page: Paged, _: Staff) -> Page[retry_queue.DeadLetter]:
    """Lists events whose attempts are used up, in the order in which they were queued."""
    after = page.position.values(int) or [0]
    letters = await retry_queue.dead_letters(tx, after=after[0], limit=page.position.limit + 1)
    return page.of(page.position.slice(letters, lambda letter: [letter.id]), lambda letter: letter)


@router.post(
    "/{id}/replay",
    status_code=202,
    summary="Retry a dead letter",
    response_class=Response,
    responses=problems(NotFound),
)
async def replay_dead_letter(id: LetterId, tx: Transaction, who: Staff) -> Response:
    """Resets the attempts of the event. When it succeeds, later events of its key follow in order."""
    event_id, topic = await retry_queue.replay(tx, id) or not_found("dead letter", id)
    log.warning("dead_letter_replayed", id=id, event_id=event_id, topic=topic, user_id=who.user_id)
    return Response(status_code=202)


@router.post("/{id}/discard", status_code=204, summary="Discard a dead letter", responses=problems(NotFound))
async def discard_dead_letter(id: LetterId, tx: Transaction, who: Staff) -> Response:
    """The event never takes effect, and later events of its key continue. Its copy in the topic's `.dlq` stays."""
    event_id, topic = await retry_queue.discard(tx, id) or not_found("dead letter", id)
    log.warning("dead_letter_discarded", id=id, event_id=event_id, topic=topic, user_id=who.user_id)
    return Response(status_code=204)
