"""Who may use aichat.

`authentication.py` asks, for each request and handshake, the plug-ins (hook ``authenticate``) and
last the one here that ``[web] access`` names: `local.py` or `token.py`. The latter reads
`keyring.py`, which `login.py` (browsers) and `commands.py` (``litestar aichat token``) fill.
`binding.py` stops a start that would serve other machines without a login.
"""
