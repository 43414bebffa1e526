-- Which record carries which identifier.
{{ config(tags=['identity_input'], materialized='table' if target.type == 'spark' else 'view') }}

select record_key, identifier_key, record_kind, source, seen_at
from {{ ref('identifier') }}
