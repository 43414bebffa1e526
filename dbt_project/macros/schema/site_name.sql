{#-
    'www.google.co.uk' → 'google', 'm.facebook.com' → 'facebook': the name by which seeds know a site. Short
    domains keep their ending; a text without a dot is a name already.
-#}
{% macro site_name(host) -%}
    case
        when {{ host }} in ('x.com', 't.co', 'so.com') then {{ host }}
        when {{ host }} in ('www.x.com', 'www.so.com', 'm.so.com') then split_part({{ host }}, '.', 2) || '.com'
        when split_part({{ host }}, '.', 1) in ('www', 'm', 'l', 'lm', 'mobile', 'out', 'away', 'search', 'web')
            and split_part({{ host }}, '.', 3) <> ''
            then split_part({{ host }}, '.', 2)
        else split_part({{ host }}, '.', 1)
    end
{%- endmacro %}
