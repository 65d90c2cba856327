"""What the page says of the articles: how many, from where and when, and how far their opening is."""

from collections.abc import Sequence
from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel

from index.snapshot import Stats
from qa.web.library import Library


class About(BaseModel):
    """What the page shows around a conversation.

    ``status``: what is being waited for, "" if nothing is; ``done`` of ``total`` passages are indexed.
    ``settled``: nothing of this will change by itself any more. ``add``: whether articles can be added.
    """

    facts: str
    sources: list[tuple[str, int]]
    oldest: date | None
    newest: date | None
    examples: Sequence[str]
    status: str
    done: int
    total: int
    error: str
    settled: bool
    add: bool
    login: bool


def about_router(library: Library, *, add: bool, login: bool) -> APIRouter:
    """Make the route that the page looks at while it opens, and when articles were added."""
    router = APIRouter()

    @router.get("/page/about", include_in_schema=False)
    def about() -> About:
        stats, step = library.stats, library.progress
        embedding = step is not None and step.stage == "embedding" and library.qa is None
        return About(
            facts=facts_of(stats) if stats else "",
            sources=[(name, count) for name, count in stats.sources if name] if stats else [],
            oldest=stats.oldest if stats else None,
            newest=stats.newest if stats else None,
            examples=library.examples,
            status=library.status,
            done=step.done if step and embedding else 0,
            total=step.total if step and embedding else 0,
            error=library.error,
            settled=library.settled.is_set(),
            add=add,
            login=login,
        )

    return router


def facts_of(stats: Stats) -> str:
    """Say how many articles there are, from how many outlets, of which years."""
    outlets = sum(bool(name) for name, _ in stats.sources)
    facts = f"{stats.articles:,} article{'s' * (stats.articles != 1)}"
    if outlets:
        facts += f" from {outlets:,} outlet{'s' * (outlets != 1)}"
    if stats.oldest and stats.newest:
        first, last = stats.oldest.year, stats.newest.year
        facts += f", {first}" if first == last else f", {first}–{last}"
    return facts
