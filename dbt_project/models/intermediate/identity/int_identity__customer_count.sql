-- How many customers have how many identifiers, as counted tonight?
{{ config(tags=['tally'], meta={'tally': {'by': ['identifiers'], 'rows': 'customers'}}) }}
with counted as (
    select customer_id, weight, count(*) as identifiers
    from ({{ weighted_rows(source('identity', 'customer_identifier'), ['customer_id']) }}) as weighted
    group by customer_id, weight
)

select identifiers, cast(sum(weight) as bigint) as customers
from counted
group by identifiers
