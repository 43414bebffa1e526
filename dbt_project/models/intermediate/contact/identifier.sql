-- The contract for identifiers: one row per identifier of a record.
select record_key, identifier_key, source, record_kind, identifier_type, identifier_value, seen_at, is_valid
from {{ ref('stg_lake__identifier') }}
