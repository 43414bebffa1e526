{#-
    GA4's default channel groups in Google's order, first match wins; texts are in lower case already and
    `campaign` is never null. `category` is the source's, from the seed source_categories.
-#}
{% macro channel_group(source, medium, campaign, category) -%}
    {%- set paid -%}
        ({{ medium }} like '%cp%' or {{ medium }} in ('ppc', 'retargeting') or {{ medium }} like 'paid%')
    {%- endset -%}
    {%- set shop -%}
        ({{ category }} = 'shopping' or {{ regexp_like(campaign, '([^a-df-z]|^)shop|shopping') }})
    {%- endset -%}
    {%- set mail = "('email', 'e-mail', 'e_mail', 'e mail')" -%}
    case
        when {{ source }} = '(direct)' and {{ medium }} in ('(none)', '(not set)') then 'Direct'
        when {{ campaign }} like '%cross-network%' then 'Cross-network'
        when {{ shop }} and {{ paid }} then 'Paid Shopping'
        when {{ category }} = 'search' and {{ paid }} then 'Paid Search'
        when {{ category }} = 'social' and {{ paid }} then 'Paid Social'
        when {{ category }} = 'video' and {{ paid }} then 'Paid Video'
        when {{ medium }} in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
        when {{ paid }} then 'Paid Other'
        when {{ shop }} then 'Organic Shopping'
        when {{ category }} = 'social'
            or {{ medium }} in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
            then 'Organic Social'
        when {{ category }} = 'video' or {{ medium }} like '%video%' then 'Organic Video'
        when {{ category }} = 'search' or {{ medium }} = 'organic' then 'Organic Search'
        when {{ medium }} = 'ai-assistant' or ({{ category }} = 'ai' and {{ medium }} in ('referral', '(none)', '(not set)'))
            then 'AI Assistant'
        when {{ medium }} in ('referral', 'app', 'link') then 'Referral'
        when {{ source }} in {{ mail }} or {{ medium }} in {{ mail }} then 'Email'
        when {{ medium }} = 'affiliate' then 'Affiliates'
        when {{ medium }} = 'audio' then 'Audio'
        when {{ source }} = 'sms' or {{ medium }} = 'sms' then 'SMS'
        when {{ medium }} like '%push' or {{ medium }} like '%mobile%' or {{ medium }} like '%notification%'
            or {{ source }} = 'firebase'
            then 'Mobile Push'
        else 'Unassigned'
    end
{%- endmacro %}
