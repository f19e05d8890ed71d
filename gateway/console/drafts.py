"""What somebody was filling in when their session ran out: kept for them alone, shown when they are back."""

from gateway.console import sessions
from gateway.console.doors import Visit
from reconciliation.store import drafts
from reconciliation.store import sessions as kept

FIELDS = ("choice", "unit", "record", "words", "days")  # of a decision; nothing else that is sent is kept
PREFIXES = ("code.", "merge.")
_MOST = 2_000  # letters of one field


def keep(visit: Visit) -> str:
    """Keep the form of a visitor whose session has just run out, and return the path where they go on."""
    case_id = visit.request.path_params.get("case_id")
    token = sessions.token_of(visit.request)
    was = kept.who_was(visit.engine, token) if token else None
    if case_id is None:
        return "/"
    if was is not None:
        drafts.save(visit.engine, was.user_id, int(case_id), filled(visit), now=visit.now)
    return f"/i/{int(case_id)}"


def filled(visit: Visit) -> dict[str, str]:
    """What of a decision the form holds."""
    picked = {name: visit.filled(name)[:_MOST] for name in visit.form if name in FIELDS or name.startswith(PREFIXES)}
    return {name: value for name, value in picked.items() if value}
