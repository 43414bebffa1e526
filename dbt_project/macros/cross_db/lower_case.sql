{#-
    A text in lower case, letter by letter as Unicode maps them. PostgreSQL does that only under a
    collation that knows letters beyond ASCII; which one there is depends on the server.
-#}
{% macro lower_case(text) -%}
    {{ return(adapter.dispatch('lower_case')(text)) }}
{%- endmacro %}

{% macro default__lower_case(text) -%}
    lower({{ text }})
{%- endmacro %}

{% macro postgres__lower_case(text) -%}
    lower({{ text }} collate "{{ letter_collation() }}") collate "C"
{%- endmacro %}

{#- Spark maps by context and to several letters; only these two letters of Unicode are such. -#}
{% macro spark__lower_case(text) -%}
    lower(translate({{ text }}, 'İΣ', 'iσ'))
{%- endmacro %}

{#- The server's collation for simple case mapping; ICU's maps a few letters by context. -#}
{% macro letter_collation() -%}
    {%- set wanted = ['pg_c_utf8', 'C.utf8', 'C.UTF-8', 'und-x-icu'] -%}
    {%- if not execute -%}{{ return('C') }}{%- endif -%}
    {%- set query -%}
        select collname::text from pg_catalog.pg_collation
        where collname in ('{{ wanted | join("', '") }}') and collencoding in (-1, 6)
    {%- endset -%}
    {%- set found = run_query(query).columns[0].values() | list -%}
    {%- for name in wanted if name in found -%}
        {{ return(name) }}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error('this PostgreSQL has no collation for letters beyond ASCII; looked for ' ~ wanted | join(', ')) }}
{%- endmacro %}
