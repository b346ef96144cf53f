"""The sockets: chat, status, echo, and the rooms behind them."""
