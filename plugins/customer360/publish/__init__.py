"""Publication: a candidate nobody sees, an audit, one transaction; and back again.

`store.<mart>` keeps every row of every publication with the ids between which it is valid; the views
`serving.<mart>` show the rows valid at the id in `ops.publication_pointer`. A candidate is rows with a
newer id, so loading it changes nothing for a reader, publishing it is one updated row, and so is
rolling back.
"""

DDL: list[str] = [
    """
    create table if not exists ops.run (
        run_id bigint generated always as identity primary key,
        as_of timestamptz not null,
        engine text not null,
        trigger text not null,
        state text not null default 'running'
            check (state in ('running', 'awaiting_approval', 'published', 'failed', 'fenced')),
        started_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz
    )
    """,
    """
    create table if not exists ops.fence (
        only_row boolean primary key default true check (only_row),
        run_id bigint not null default 0,
        attempt bigint not null default 0
    )
    """,
    "insert into ops.fence default values on conflict do nothing",
    """
    create table if not exists ops.run_metrics (
        run_id bigint not null references ops.run (run_id),
        stage text not null,
        rows bigint not null,
        seconds double precision not null,
        cpu_s double precision not null,
        peak_mb double precision not null,
        recorded_at timestamptz not null default clock_timestamp(),
        primary key (run_id, stage, recorded_at)
    )
    """,
    "alter table ops.run_metrics add column if not exists rows_sent bigint not null default 0,"
    " add column if not exists bytes_sent bigint not null default 0",
    """
    create table if not exists ops.publication (
        publication_id bigint generated always as identity primary key,
        run_id bigint not null references ops.run (run_id),
        as_of timestamptz not null,
        engine text not null,
        status text not null default 'candidate',
        gate text check (gate in ('pass', 'warn', 'fail')),
        gate_text text,
        changes jsonb not null default '{}',
        candidate_at timestamptz not null default clock_timestamp(),
        published_at timestamptz
    )
    """,
    # which suites judged it (see quality.candidate)
    "alter table ops.publication add column if not exists suites text",
    # what was tested before it was published: {"dbt": {passed, warned}, "expectations": {passed, warned}}
    "alter table ops.publication add column if not exists tests jsonb not null default '{}'",
    # databases made before publications were marked as pruned
    "alter table ops.publication drop constraint if exists publication_status_check,"
    " drop constraint if exists publication_status",
    "alter table ops.publication add constraint publication_status check (status in"
    " ('candidate', 'published', 'superseded', 'rolled_back', 'abandoned', 'pruned'))",
    """
    create table if not exists ops.publication_pointer (
        only_row boolean primary key default true check (only_row),
        publication_id bigint not null default 0,
        candidate_id bigint not null default 0
    )
    """,
    "insert into ops.publication_pointer default values on conflict do nothing",
    """
    create table if not exists ops.published_mart (
        mart text primary key,
        definition text not null
    )
    """,
]
