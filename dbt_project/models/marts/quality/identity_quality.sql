-- How well does identity do tonight: what merged and split, how large did customers become, what is generic, what
-- waits for review, how often is a customer one person? Figures of the whole company, nobody's data.
with figures as (
    select 'events' as measure, measure as part, cast(figure as decimal(18, 6)) as figure
    from {{ source('identity', 'night_figure') }}
    where measure in ('created', 'merged', 'split', 'retired')
    union all
    select 'review', measure, cast(figure as decimal(18, 6))
    from {{ source('identity', 'night_figure') }}
    where measure not in ('created', 'merged', 'split', 'retired')
    union all
    select 'customers', customer_kind, cast(count(*) as decimal(18, 6))
    from {{ source('identity', 'customer') }}
    group by customer_kind
    union all
    select 'identifiers', identifier_class, cast(count(*) as decimal(18, 6))
    from {{ source('identity', 'identifier_class') }}
    group by identifier_class
    union all
    select 'identifiers_of_a_customer', q.part, cast(min(s.identifiers) as decimal(18, 6))
    from {{ ref('int_identity__size') }} as s
    inner join {{ ref('identity_quality_quantiles') }} as q on s.up_to >= q.share * s.total
    group by q.part
    union all
    select 'customers_with_identifiers', b.band, cast(sum(s.customers) as decimal(18, 6))
    from {{ ref('int_identity__size') }} as s
    inner join {{ ref('identity_size_bands') }} as b
        on s.identifiers >= b.fewest and (b.most is null or s.identifiers <= b.most)
    group by b.band
    union all
    select 'components_cut', 'all', cast(count(*) as decimal(18, 6))
    from {{ source('identity', 'uncut') }}
    union all
    select 'identifiers_before_the_cut', 'largest', cast(max(identifiers) as decimal(18, 6))
    from (
        select identifiers from {{ source('identity', 'uncut') }}
        union all
        select identifiers from {{ ref('int_identity__size') }}
    ) as sizes
    union all
    select 'identifiers_before_the_cut', b.band, cast(count(*) as decimal(18, 6))
    from {{ source('identity', 'uncut') }} as u
    inner join {{ ref('identity_size_bands') }} as b
        on u.identifiers >= b.fewest and (b.most is null or u.identifiers <= b.most)
    group by b.band
),

answers as (
    select
        case when sample = 'audit' then 'precision' else 'grey_zone_same' end as measure,
        answers,
        fewest_answers,
        estimate,
        lower_bound,
        upper_bound
    from {{ ref('int_identity__answer') }}
),

judged as (
    select
        measure, 'answers' as part, cast(answers as decimal(18, 6)) as figure, cast(null as {{ text_type() }}) as remark
    from answers
    {%- for part in ['estimate', 'lower_bound', 'upper_bound'] %}
        union all
        select
            measure,
            '{{ part }}',
            cast({{ part }} as decimal(18, 6)),
            case
                when {{ part }} is null
                    then
                        'too few to say: '
                        || cast(answers as {{ text_type() }}) || ' of ' || cast(fewest_answers as {{ text_type() }})
            end
        from answers
    {%- endfor %}
)

select
    cast(measure as {{ text_type() }}) as measure,
    cast(part as {{ text_type() }}) as part,
    figure,
    cast(null as {{ text_type() }}) as remark
from figures
union all
select cast(measure as {{ text_type() }}), cast(part as {{ text_type() }}), figure, cast(remark as {{ text_type() }})
from judged
