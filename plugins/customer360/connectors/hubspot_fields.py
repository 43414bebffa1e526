"""HubSpot's objects and properties by every name they are exported under.

Names are compared folded (see `text.fold`); warehouse copies put `property_` before a property's name.
"""

from __future__ import annotations

from typing import Final

from customer360.connectors.crm import Names, shape

PREFIX: Final = "property_"
# The first that fits counts. A list of contacts has a name and an id too: a company says more.
SHAPES: Final = (
    shape("merge_audit", "vid_to_merge", "canonical_vid contact_id"),
    shape("deal_stage", "deal_id", "date_entered _fivetran_start", "value stage deal_stage dealstage"),
    shape("form_submission", "form_id", "contact_id email", "timestamp conversion_date submitted_at"),
    shape("form_submission", "conversion_date email", never="record_id contact_id vid id"),
    shape("form", "guid form_type"),
    shape("campaign", "app_id content_id", "subject name"),
    shape("email_event", "recipient type", "created"),
    shape("email_detail", "id browser", "user_agent", "ip_address location"),
    shape("email_bounce", "id category response", "status"),
    shape("meeting", "", "start_time hs_meeting_start_time", "end_time hs_meeting_end_time",
          "engagement_id id record_id"),
    shape("engagement", "", "engagement_id record_id", "type activity_type hs_call_direction hs_email_direction",
          "hs_timestamp timestamp activity_date hs_createdate"),
    shape("deal", "", "dealname deal_stage dealstage", "deal_id id record_id recordiddeal",
          never="hs_ticket_id ticket_name"),
    shape("contact", "", "email firstname first_name lastname last_name", "id record_id recordidcontact contact_id vid",
          never="dealname recipient role_id"),
    shape("company", "", "name company_name", "id record_id recordidcompany company_id",
          "domain website industry city country company_owner annualrevenue annual_revenue phone phone_number "
          "numberofemployees lifecyclestage lifecycle_stage createdate create_date", never="deleteable dynamic"),
)  # fmt: skip
IDS: Final[dict[str, Names]] = {
    "contact": ("Record ID", "Record ID - Contact", "Contact ID", "vid", "id"),
    "company": ("Record ID", "Record ID - Company", "Company ID", "id"),
    "deal": ("Record ID", "Record ID - Deal", "Deal ID", "id"),
    "engagement": ("engagement_id", "Record ID", "id"),
}
OBSERVED: Final = (
    "Last Modified Date", "lastmodifieddate", "hs_lastmodifieddate", "updated_at", "_fivetran_synced",
    "Create Date", "createdate",
)  # fmt: skip
CONTACT: Final[dict[str, Names]] = {
    "given_name": ("First Name", "firstname"),
    "family_name": ("Last Name", "lastname"),
    "organisation": ("Company Name", "company", "Associated Company", "Associated Company (Primary)"),
    "job_title": ("Job Title", "jobtitle"),
    "address_line": ("Street Address", "address"),
    "city": ("City",),
    "postal_code": ("Postal Code", "zip"),
    "region": ("State/Region", "state"),
    "country": ("Country/Region Code", "hs_country_region_code", "Country/Region", "country"),
    "birth_date": ("Date of birth", "date_of_birth"),
    "owner": ("Contact owner", "Company owner", "hubspot_owner_id", "owner_id"),
    "stated_stage": ("Lifecycle Stage", "lifecyclestage", "Lead Status", "hs_lead_status"),
    "acquisition_source": ("Original Source", "Original Traffic Source", "Original Source Type", "hs_analytics_source"),
    "acquisition_detail": (
        "Original Source Drill-Down 1", "Original Traffic Source Drill-Down 1", "hs_analytics_source_data_1",
    ),
    "is_deleted": ("is_deleted", "_fivetran_deleted"),
    "created_at": ("Create Date", "createdate", "created_at"),
    "observed_at": OBSERVED,
}  # fmt: skip
PERSONAL: Final = frozenset({"given_name", "family_name", "job_title", "birth_date", "organisation"})
DEAL: Final[dict[str, Names]] = {
    "name": ("Deal Name", "dealname"),
    "stage": ("Deal Stage", "dealstage", "deal_pipeline_stage_id"),
    "amount": ("Amount", "Amount in company currency"),
    "owner": ("Deal owner", "hubspot_owner_id", "owner_id"),
    "acquisition_source": ("Original Source Type", "Original Traffic Source", "hs_analytics_source"),
    "is_deleted": ("is_deleted", "_fivetran_deleted"),
    "created_at": ("Create Date", "createdate"),
    "closed_at": ("Close Date", "closedate"),
    "observed_at": OBSERVED,
}
# Identifier type → columns that hold one or, parted by ';', several.
WAYS: Final[dict[str, Names]] = {
    "email": (
        "email", "email_1", "Work email", "work_email", "Additional email addresses", "hs_additional_emails",
    ),
    "phone": ("Phone Number", "phone", "Mobile Phone Number", "mobilephone", "hs_whatsapp_phone_number"),
    "fax": ("Fax Number", "fax"),
}  # fmt: skip
BUYING_ROLE: Final = ("Buying Role", "hs_buying_role")
OPT_OUT: Final = ("Unsubscribed from all email", "hs_email_optout")
MERGED: Final = (
    "Merged object IDs", "hs_merged_object_ids", "Merged contact IDs", "Merged record IDs",
    "hs_calculated_merged_vids",
)  # fmt: skip
CONTACT_LINKS: Final = ("Associated Contact IDs", "Associated Contact ID", "associated_contact_ids", "contact_id")
COMPANY_LINKS: Final = (
    "Primary Associated Company ID", "Associated Company IDs (Primary)", "Associated Company IDs",
    "Associated Company ID", "associatedcompanyid", "company_id",
)  # fmt: skip
# Kind of engagement → channel and the event's name. Notes and tasks are no contact.
ENGAGEMENTS: Final[dict[str, tuple[str, str]]] = {
    "CALL": ("phone", "call"),
    "EMAIL": ("email", "mail"),
    "INCOMING_EMAIL": ("email", "mail"),
    "FORWARDED_EMAIL": ("email", "mail"),
    "MEETING": ("in_person", "meeting"),
    "SMS": ("sms", "message"),
    "WHATS_APP": ("sms", "message"),
    "WHATSAPP": ("sms", "message"),
    "LINKEDIN_MESSAGE": ("web", "message"),
    "CONVERSATION_SESSION": ("web", "chat"),
    "POSTAL_MAIL": ("media", "letter"),
}
# Type of an e-mail event → (direction, class, outcome, touch). Others are what was sent, in bulk.
EMAIL_EVENTS: Final[dict[str, tuple[str, str, str, bool]]] = {
    "OPEN": ("inbound", "person", "opened", False),
    "CLICK": ("inbound", "person", "clicked", True),
    "BOUNCE": ("inbound", "bounce", "bounced", False),
    "UNSUBSCRIBED": ("inbound", "person", "unsubscribed", False),
    "STATUSCHANGE": ("inbound", "person", "status_change", False),
    "SPAMREPORT": ("inbound", "person", "spam_report", False),
    "REPLY": ("inbound", "person", "replied", True),
    "FORWARD": ("inbound", "person", "forwarded", False),
}
# User agents of programs that open mails for a person: Apple's privacy protection shows nothing but its
# engine, image proxies name themselves.
MACHINE_AGENTS: Final = (
    r"(?i)^mozilla/5\.0$|^mozilla/5\.0 \([^)]*\) applewebkit/\d[\d.]* \(khtml, like gecko\)$|"
    r"googleimageproxy|yahoomailproxy|ggpht|apple ?mail ?privacy"
)
MACHINE_SECONDS: Final = 2  # an opening so soon after sending is no person's
WON: Final = r"(?i)(?:^|[^a-z]|closed ?)won(?:$|[^a-z])"
LOST: Final = r"(?i)(?:^|[^a-z]|closed ?)lost(?:$|[^a-z])"
