"""Made-up phone numbers in E.164 that pass validation and belong to no one."""

from __future__ import annotations

from dataclasses import dataclass, field

# Exchange 555 of North America is reserved for fiction and directory services.
_NORTH_AMERICA = (  # noqa: SIM905 - a hundred quoted items read worse
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 "
    "248 251 252 253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 "
    "315 316 317 318 319 320 321 323 325 330 331 334 336 337 339 347 351 352 360 361 385 386 401 402 404 "
    "405 406 407 408 409 410 412 413 414 415 417 419 423 424 425 430 432 434 435 440 443 469 470 475 478"
).split()

_SHAPES: dict[str, tuple[tuple[str, ...], int]] = {
    "US": (tuple(f"+1{area}555" for area in _NORTH_AMERICA), 4),
    "BR": (tuple(f"+55{area}90000" for area in ("11", "21", "31", "41", "51", "61", "71", "81")), 4),
    "DE": (("+491555000",), 4),
    "IN": (("+9170000",), 5),
    "MX": (("+525500",), 6),
    "TR": (("+90500000",), 4),
    "ID": (("+62812000",), 5),
    "AE": (("+97150000",), 4),
    "SA": (("+96650000",), 4),
    "IL": (("+97250000",), 4),
    "PL": (("+4850000",), 4),
    "IT": (("+39320000",), 4),
    "SE": (("+46701740",), 3),
}
REGIONS = frozenset(_SHAPES)


@dataclass(slots=True)
class PhoneBook:
    """Hands out each number once; a region that has run out is continued in North America."""

    start: int = 0
    _given: dict[str, int] = field(default_factory=dict)

    def next(self, region: str) -> str:
        """Return an unused number of `region` (ISO 3166 alpha-2, one of `REGIONS`), else of the US."""
        region = region if region in _SHAPES else "US"
        prefixes, digits = _SHAPES[region]
        capacity = len(prefixes) * 10**digits
        given = self._given.get(region, 0)
        if given >= capacity:
            if region == "US":
                msg = f"all {capacity} sample numbers of North America are given out"
                raise OverflowError(msg)
            return self.next("US")
        self._given[region] = given + 1
        # 7919 is prime and divides no capacity: the numbers look scattered and none comes twice.
        place = (self.start + given * 7919) % capacity
        prefix, number = divmod(place, 10**digits)
        return f"{prefixes[prefix]}{number:0{digits}d}"
