"""What pages, API and sockets share below the routes."""
