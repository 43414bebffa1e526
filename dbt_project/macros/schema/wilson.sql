{#-
    A bound of Wilson's score interval (JASA 22, 1927) for the share `same` of `answers`, which are more than 0; `z`: the
    normal quantile. `sign`: -1 for the lower bound, 1 for the upper one.
-#}
{% macro wilson(same, answers, z, sign) -%}
    (
        ({{ same }} + {{ z }} * {{ z }} / 2)
        + ({{ sign }}) * {{ z }} * sqrt({{ same }} * ({{ answers }} - {{ same }}) / {{ answers }} + {{ z }} * {{ z }} / 4)
    ) / ({{ answers }} + {{ z }} * {{ z }})
{%- endmacro %}
