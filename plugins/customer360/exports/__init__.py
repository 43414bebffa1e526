"""Files for marketing: every table of schema `marketing` as CSV, Parquet and XLSX, once per publication."""

DDL: list[str] = [
    """
    create table if not exists ops.export (
        publication_id bigint primary key references ops.publication (publication_id),
        folder text not null,
        files integer not null,
        rows bigint not null,
        refused jsonb not null default '[]',
        written_at timestamptz not null default clock_timestamp()
    )
    """,
]
