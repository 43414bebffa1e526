-- What a record refers to beside its identifiers: accounts, contacts and opportunities of a source's own.
-- Whoever shares a reference is looked at together when one of them changes.
{{ config(tags=['identity_input']) }}

select record_key, 'account ' || account_ref as reference
from {{ ref('contact_record') }}
where account_ref is not null
union
select record_key, 'account ' || identifier_value
from {{ ref('identifier') }}
where identifier_type = 'account_ref'
union
select record_key, 'account ' || account_ref
from {{ ref('stg_lake__opportunity') }}
where account_ref is not null
union
select record_key, 'account ' || contact_ref
from {{ ref('stg_lake__opportunity') }}
where contact_ref is not null
union
select record_key, 'opportunity ' || source || ' ' || source_record_id
from {{ ref('stg_lake__opportunity') }}
union
select record_key, 'account ' || account_ref
from {{ ref('stg_lake__sales_order') }}
where account_ref is not null
union
select record_key, 'account ' || contact_ref
from {{ ref('stg_lake__sales_order') }}
where contact_ref is not null
union
select record_key, 'opportunity ' || source || ' ' || opportunity_ref
from {{ ref('stg_lake__sales_order') }}
where opportunity_ref is not null
