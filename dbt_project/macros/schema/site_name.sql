{#- 'www.google.co.uk' → 'google', 'm.facebook.com' → 'facebook': the name by which seeds know a site. -#}
{% macro site_name(host) -%}
    case
        when {{ host }} in ('x.com', 't.co', 'so.com') then {{ host }}
        when {{ host }} like 'www.%' or {{ host }} like 'm.%' or {{ host }} like 'l.%' or {{ host }} like 'lm.%' then split_part({{ host }}, '.', 2)
        else split_part({{ host }}, '.', 1)
    end
{%- endmacro %}
