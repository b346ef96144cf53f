"""``litestar aichat …``: one module for each command; ``commands`` groups them."""
