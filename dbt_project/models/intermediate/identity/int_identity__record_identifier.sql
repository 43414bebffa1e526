-- Which record carries which identifier.
{{ config(tags=['identity_input']) }}

select record_key, identifier_key, record_kind, source, seen_at
from {{ ref('identifier') }}
