"""Schema `marketing` of the serving database: what leaves the house as tables, files and pages.

Every model below `dbt_project/models/marketing` is a view `marketing.<table>_v<n>`, the newest also
`marketing.<table>`. `contract` reads the models from dbt's manifest, `schema` makes the views within the
transaction that publishes, `reading` reads them as of one publication.
"""

DDL: list[str] = [
    """
    create table if not exists ops.marketing_table (
        name text not null,
        version integer not null,
        is_latest boolean not null,
        contract jsonb not null,
        definition text not null,
        applied_at timestamptz not null default clock_timestamp(),
        primary key (name, version)
    )
    """,
]
