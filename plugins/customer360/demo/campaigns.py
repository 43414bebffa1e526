"""What truly brings the made-up company's customers: campaigns with and without spend, referrals, fairs, sellers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Campaign:
    """A true source of customers. `platform` None: no advertising platform bills for it."""

    name: str
    acquisition_source: str  # media | website | event | referral | sales_rep
    platform: str | None
    campaign_id: str | None
    utm_source: str | None
    utm_medium: str | None
    referrer: str | None
    cents_per_click: int
    weight: int  # share of arrivals

    @property
    def is_online(self) -> bool:
        """Whether people arrive on the web site."""
        return self.name not in {"trade_fair", "field_sales", "radio_spot"}


_GOOGLE, _META = "https://www.google.com/", "https://l.facebook.com/"
CAMPAIGNS: Final = (
    Campaign("spring_drills", "media", "google_ads", "21000001", "google", "cpc", _GOOGLE, 64, 18),
    Campaign("cordless_week", "media", "google_ads", "21000002", "google", "cpc", _GOOGLE, 92, 10),
    Campaign("workshop_reels", "media", "meta", "23800001", "facebook", "paid_social", _META, 38, 12),
    Campaign("radio_spot", "media", None, None, None, None, None, 0, 3),  # leaves no trace: they simply call
    Campaign("organic_search", "website", None, None, None, None, "https://www.google.de/", 0, 15),
    Campaign("direct", "website", None, None, None, None, None, 0, 9),
    Campaign("partner_blog", "referral", None, None, None, None, "https://werkstattblog.example.com/test", 0, 8),
    Campaign("trade_fair", "event", None, None, None, None, None, 0, 10),
    Campaign("field_sales", "sales_rep", None, None, None, None, None, 0, 15),
)
# First days of the trade fairs the company shows at; each lasts three days.
FAIRS: Final = tuple(date(year, month, day) for year in range(2023, 2030) for month, day in ((2, 11), (9, 16)))
