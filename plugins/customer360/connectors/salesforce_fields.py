"""Salesforce's objects and fields by every name they are exported under.

Names are compared folded (see `text.fold`): `FirstName`, `first_name` and `First Name` are one.
"""

from __future__ import annotations

from typing import Final

from customer360.connectors.crm import Names, shape

HISTORIES: Final = frozenset({"field_history", "stage_history", "stage_snapshot"})
# What no customer is: users of the CRM, members of campaigns (their ids are not the person's).
_STAFF: Final = "Username ProfileId CampaignId CaseNumber"
# The first that fits counts.
SHAPES: Final = (
    shape("field_history", "NewValue", "OpportunityId", "Field FieldEvent"),
    shape("stage_history", "OpportunityId", "StageName ToStage", "CreatedDate SystemModstamp LastModified EditDate",
          never="_fivetran_start Name"),
    shape("stage_snapshot", "_fivetran_start StageName", "Id OpportunityId"),
    shape("opportunity", "", "StageName Stage", "OpportunityId OpportunityName Id", "CloseDate Amount"),
    shape("lead", "Company", "LastName Name", "Id LeadId", never=f"AccountName Subject {_STAFF}"),
    shape("lead", "IsConverted", "LastName Name Email", "Id LeadId"),
    shape("lead", "", "LeadId LeadStatus LeadOwner CompanyAccount", "LastName Name Email", never=f"Subject {_STAFF}"),
    shape("order", "Status", "OrderNumber EffectiveDate OrderStartDate", "Id OrderId OrderNumber", never="Subject"),
    shape("event", "Subject", "StartDateTime ActivityDateTime EndDateTime Start", never=_STAFF),
    shape("task", "Subject", "ActivityDate CreatedDate Date DueDate", "Status Priority TaskSubtype CallType",
          never=_STAFF),
    shape("contact", "", "LastName FirstName Email", "Id ContactId", "AccountId Email MailingCity AccountName",
          never=f"IsPersonAccount {_STAFF}"),
    shape("contact", "", "LastName FirstName", "Email Phone", "AccountName ContactOwner Title MailingCity",
          never=f"IsPersonAccount {_STAFF}"),
    shape("account", "", "Name AccountName", "Id AccountId",
          "BillingCity BillingStreet BillingCountry Industry AccountNumber AccountSource AnnualRevenue ParentId "
          "NumberOfEmployees Phone Website AccountOwner IsPersonAccount Sic", never=_STAFF),
    shape("account", "AccountName", "BillingCity Industry AccountOwner AnnualRevenue", never=_STAFF),
)  # fmt: skip
# First three characters of an id → object.
KEY_PREFIXES: Final = {
    "001": "account", "003": "contact", "00Q": "lead", "006": "opportunity", "801": "order", "00U": "event",
    "00T": "task", "005": "user", "500": "case", "701": "campaign", "00v": "campaign member", "01t": "product",
}  # fmt: skip
IDS: Final[dict[str, Names]] = {
    "contact": ("Contact ID", "Id", "Contact ID (18)"),
    "lead": ("Lead ID", "Id", "Lead ID (18)"),
    "account": ("Account ID", "Id", "Account ID (18)"),
    "opportunity": ("Opportunity ID", "Id", "Opportunity ID (18)"),
    "order": ("Order ID", "Id", "Order Number"),
}
OBSERVED: Final = (
    "LastModifiedDate",
    "LastModified",
    "SystemModstamp",
    "_fivetran_synced",
    "CreatedDate",
    "CreateDate",
)
PERSON: Final[dict[str, Names]] = {
    "given_name": ("FirstName",),
    "family_name": ("LastName",),
    "full_name": ("Name", "FullName"),
    "organisation": ("Company", "CompanyAccount", "AccountName", "Account.Name"),
    "job_title": ("Title", "PersonTitle"),
    "address_line": ("MailingStreet", "PersonMailingStreet", "Street", "BillingStreet"),
    "city": ("MailingCity", "PersonMailingCity", "City", "BillingCity"),
    "postal_code": (
        "MailingPostalCode", "PersonMailingPostalCode", "PostalCode", "BillingPostalCode",
        "MailingZip", "Mailing Zip/Postal Code", "Zip/Postal Code", "Billing Zip/Postal Code",
    ),
    "region": (
        "MailingState", "PersonMailingState", "State", "BillingState",
        "Mailing State/Province", "State/Province", "Billing State/Province",
    ),
    "country": (
        "MailingCountryCode", "MailingCountry", "PersonMailingCountryCode", "PersonMailingCountry",
        "CountryCode", "Country", "BillingCountryCode", "BillingCountry",
    ),
    "birth_date": ("Birthdate", "PersonBirthdate"),
    "owner": ("OwnerId", "ContactOwner", "LeadOwner", "AccountOwner"),
    "stated_stage": ("Status", "LeadStatus", "ContactStatus__c"),
    "acquisition_source": ("LeadSource", "PersonLeadSource", "AccountSource"),
    "acquisition_detail": ("LeadSourceDetail__c", "lead_source_detail_c", "source_detail_c", "SourceDetail__c"),
    "is_deleted": ("IsDeleted",),
    "created_at": ("CreatedDate", "CreateDate"),
    "observed_at": OBSERVED,
}  # fmt: skip
OPPORTUNITY: Final[dict[str, Names]] = {
    "name": ("OpportunityName", "Name"),
    "stage": ("StageName", "Stage"),
    "amount": ("Amount",),
    "owner": ("OwnerId", "OpportunityOwner"),
    "acquisition_source": ("LeadSource",),
    "utm_campaign": ("UTM_Campaign__c", "utm_campaign_c"),
    "is_deleted": ("IsDeleted",),
    "created_at": ("CreatedDate",),
    "closed_at": ("CloseDate",),
    "observed_at": OBSERVED,
}
# Identifier type → columns that hold one.
WAYS: Final[dict[str, Names]] = {
    "email": ("Email", "PersonEmail", "SecondaryEmail__c", "secondary_email_c"),
    "phone": (
        "Phone", "MobilePhone", "Mobile", "HomePhone", "OtherPhone", "PersonMobilePhone", "PersonHomePhone",
        "PersonOtherPhone",
    ),
    "fax": ("Fax",),
}  # fmt: skip
OPT_OUT: Final[dict[str, Names]] = {
    "email": ("HasOptedOutOfEmail", "PersonHasOptedOutOfEmail", "Email Opt Out"),
    "fax": ("HasOptedOutOfFax", "PersonHasOptedOutOfFax", "Fax Opt Out"),
    "phone": ("DoNotCall", "PersonDoNotCall"),
}
DELIVERED: Final = ("activated", "completed", "delivered", "fulfilled")
OPEN_STATUSES: Final = ("not started", "in progress", "waiting on someone else", "deferred", "open")
# Word in an activity's type or at the start of its subject → channel; the first counts.
CHANNEL_WORDS: Final = (
    ("voicemail", "phone"), ("call", "phone"), ("phone", "phone"), ("email", "email"), ("e-mail", "email"),
    ("mail", "email"), ("sms", "sms"), ("text", "sms"), ("fax", "fax"), ("meeting", "in_person"),
    ("visit", "in_person"), ("demo", "in_person"), ("lunch", "in_person"), ("event", "in_person"), ("webinar", "web"),
)  # fmt: skip
