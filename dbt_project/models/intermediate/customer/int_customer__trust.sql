-- How far is each kind of record of each source trusted? The most particular row of source_trust counts.
with kinds as (
    select distinct source, record_kind
    from {{ ref('contact_record') }}
),

matched as (
    select
        k.source,
        k.record_kind,
        t.trust,
        row_number() over (
            partition by k.source, k.record_kind
            order by
                case when t.source = '*' then 1 else 0 end,
                case when t.record_kind = '*' then 1 else 0 end
        ) as match_rank
    from kinds as k
    left join {{ ref('source_trust') }} as t
        on (t.source = '*' or k.source = t.source) and (t.record_kind = '*' or k.record_kind = t.record_kind)
)

select source, record_kind, cast(coalesce(trust, 0) as bigint) as trust
from matched
where match_rank = 1
