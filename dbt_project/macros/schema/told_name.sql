{#-
    `name`, or null where it is what people and systems write who know none: Unknown, N/A, [not provided]. `pattern`, of
    plain small letters, is the one by which identity knows such texts; without it every name stands.
-#}
{% macro told_name(name, pattern=none) -%}
    {%- set no_name = pattern or var('no_name') -%}
    {%- if no_name -%}
    case when not {{ regexp_like(plain_letters("trim(both ' ' from " ~ name ~ ")"), '^(' ~ no_name ~ ')$') }} then {{ name }} end
    {%- else -%}
    {{ name }}
    {%- endif -%}
{%- endmacro %}

{#- In lower case and without accents. -#}
{% macro plain_letters(text) -%}
    translate({{ lower_case(text) }}, 'àáâãäåąçćèéêëęìíîïñńòóôõöùúûüýÿśšźżžйё', 'aaaaaaacceeeeeiiiinnooooouuuuyysszzzие')
{%- endmacro %}
