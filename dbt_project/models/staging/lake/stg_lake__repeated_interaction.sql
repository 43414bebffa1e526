-- Interactions that were delivered several times, with the version that counts.
{{ config(meta={'slice': 'repeated_key'}) }}

{{ repeated_versions('interaction') }}
