"""Homes: a place to live in with its hamlet, address and household book. One household may have had several.

Book numbers restart in every former commune, so that they clash once communes are merged.
"""

from dataclasses import dataclass

import numpy as np

from adapters.simulator.names import Rng
from adapters.simulator.people import Households, Objects, draw_units
from adapters.simulator.places import Mask, Numbers, Places, Texts

FIRST_BOOK = 100_000_001
_STREETS = (
    "Trần Hưng Đạo", "Lê Lợi", "Nguyễn Huệ", "Quang Trung", "Hai Bà Trưng", "Lý Thường Kiệt", "Nguyễn Trãi",
    "Điện Biên Phủ", "Hoàng Diệu", "Phan Chu Trinh", "Nguyễn Du", "Võ Thị Sáu", "Hùng Vương", "Lê Hồng Phong",
    "Trường Chinh", "Hòa Bình", "Thống Nhất", "Ngô Quyền", "Bạch Đằng", "Nguyễn Công Trứ",
)  # fmt: skip


@dataclass(frozen=True)
class _Words:
    """What a part of a commune is called in a region: where it is a town, in the country, and by a name."""

    town: str
    country: str
    named: tuple[str, str]
    names: tuple[str, ...]


_NORTH = (
    "Nậm Rịa", "Nà Khương", "Tả Phìn", "Bản Mế", "Khe Sang", "Đồng Tâm", "Tân Tiến", "Hòa Lạc", "Phú Thịnh", "An Sơn",
)  # fmt: skip
_DELTA = (
    "Đông Cao", "Thượng Đồng", "Hạ Lũng", "Xuân La", "Phú Mỹ", "Đồng Tâm", "Tân Tiến", "Hòa Lạc", "Phú Thịnh", "An Bá",
)  # fmt: skip
_CENTRE = (
    "Phú Lộc", "An Bình", "Tân Mỹ", "Đông Yên", "Hòa Lạc", "Đồng Tâm", "Tân Tiến", "Xuân Thành", "Phú Thịnh", "Hải Âu",
)  # fmt: skip
_HIGHLANDS = (
    "Ea Mdhar", "Đăk Rve", "Kon Sơ Lăng", "Ia Tôr", "Krông Búk", "Chư Sê", "Tân Lập", "Ea Tling", "Plei Bông", "An Phú",
)  # fmt: skip
_SOUTH = (
    "Tân Thạnh", "Phú Hòa", "Mỹ Lợi", "Bình Đông", "Long Thuận", "Hòa Thạnh", "An Phú", "Vĩnh Lộc", "Thới An", "Tân Lộ",
)  # fmt: skip
# From the first former province of a region, by the numbers of the statistics office, to the one before the next.
_REGIONS = (
    ("00", _Words("TDP", "Thôn", ("Thôn", "Bản"), _NORTH)),
    ("26", _Words("TDP", "Thôn", ("Thôn", "Xóm"), _DELTA)),
    ("38", _Words("TDP", "Thôn", ("Thôn", "Làng"), _CENTRE)),
    ("62", _Words("TDP", "Thôn", ("Thôn", "Làng"), _HIGHLANDS)),
    ("66", _Words("TDP", "Thôn", ("Thôn", "Buôn"), _HIGHLANDS)),
    ("67", _Words("TDP", "Thôn", ("Thôn", "Bon"), _HIGHLANDS)),
    ("68", _Words("TDP", "Thôn", ("Thôn", "Buôn"), _HIGHLANDS)),
    ("70", _Words("Khu phố", "Ấp", ("Ấp", "Ấp"), _SOUTH)),
    ("84", _Words("Khóm", "Ấp", ("Ấp", "Ấp"), _SOUTH)),
)
_LARGEST_GROUP = 9
_NUMBERED_SHARE = 0.6  # of hamlets of the country


@dataclass(frozen=True)
class Homes:
    """One row a home. `unit` is the unit it truly lies in today."""

    commune: Numbers  # row of Places
    unit: Texts
    hamlet: Objects  # a name: "TDP 2", "Thôn 3", "Bản Tả Phìn", "Ấp 4"
    address: Objects
    book: Objects  # 9 digits

    def take(self, rows: Numbers) -> "Homes":
        """The homes of the given rows."""
        return Homes(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def settle(rng: Rng, places: Places, households: Households) -> Homes:
    """The home of each household before the merger."""
    return _homes(rng, places, households.commune, households.unit, settled=np.zeros(len(places.code), np.int64))


def settle_later(rng: Rng, places: Places, commune: Numbers, earlier: Homes) -> Homes:
    """Further homes in the given communes, with books numbered after those of `earlier`."""
    settled = np.bincount(earlier.commune, minlength=len(places.code))
    return _homes(rng, places, commune, draw_units(rng, places, commune), settled=settled)


def join_homes(parts: list[Homes]) -> Homes:
    """Homes one after the other."""
    return Homes(*(np.concatenate([getattr(part, name) for part in parts]) for name in Homes.__dataclass_fields__))


def _homes(rng: Rng, places: Places, commune: Numbers, unit: Texts, *, settled: Numbers) -> Homes:
    urban = np.isin(places.type[commune], ["phuong", "thi_tran"])
    number = rng.integers(1, _LARGEST_GROUP + 1, len(commune))
    hamlet = _hamlets(rng, places.former[commune], urban, number)
    house = rng.integers(1, 300, len(commune)).astype(str).astype(object)
    street = rng.choice(np.array(_STREETS, object), len(commune))
    address = np.where(urban, "Số " + house + " đường " + street, hamlet + ", " + places.name[commune].astype(object))
    return Homes(commune, unit, hamlet, address, _books(commune, settled))


def _hamlets(rng: Rng, former: Texts, urban: Mask, number: Numbers) -> Objects:
    """Groups of towns and hamlets of the country, as each region calls them; most have a number only."""
    digits = number.astype(str).astype(object)
    name, word = rng.integers(0, len(_NORTH), len(urban)), rng.choice(2, len(urban))
    is_numbered = rng.random(len(urban)) < _NUMBERED_SHARE
    region = np.searchsorted([first for first, _ in _REGIONS], former, side="right") - 1
    words = [one for _, one in _REGIONS]
    town = np.array([one.town + " " for one in words], object)[region]
    country = np.array([one.country + " " for one in words], object)[region]
    named = np.array([one.named for one in words], object)[region, word]
    names = np.array([one.names for one in words], object)[region, name]
    rural = np.where(is_numbered, country + digits, named + " " + names)
    return np.where(urban, town + digits, rural)  # type: ignore[no-any-return]


def _books(commune: Numbers, settled: Numbers) -> Objects:
    order = np.argsort(commune, kind="stable")
    ranked = commune[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else ranked
    before = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
    position = np.empty(len(commune), np.int64)
    position[order] = before
    return np.array([str(book) for book in (FIRST_BOOK + settled[commune] + position).tolist()], object)
