"""How the server runs: uvicorn, timeouts, health."""
