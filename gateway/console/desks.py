"""A user's roles as desks: whom the stewardship functions see when this person asks."""

from reconciliation.desk import Steward
from reconciliation.model import Case, CaseKind
from reconciliation.users import User, UserRole


def desks(user: User, role: UserRole) -> tuple[Steward, ...]:
    """One desk for all kinds of case, and one for each kind that the user has the role for besides."""
    areas = user.areas(role)
    kinds: dict[CaseKind | None, list[str]] = {}
    for province_code, kind in areas:
        kinds.setdefault(kind, []).append(province_code)
    return tuple(
        Steward(
            name=user.user_id,
            province_codes=() if "" in codes else tuple(codes),
            kinds=() if kind is None else (kind,),
            may_approve=user.may(UserRole.SUPERVISOR),
        )
        for kind, codes in sorted(kinds.items(), key=lambda one: one[0] or "")
    )


def desk_for(user: User, role: UserRole, case: Case) -> Steward | None:
    """The desk of the user's that a case lies on; None when it is not theirs."""
    return next((desk for desk in desks(user, role) if desk.sees(case)), None)
