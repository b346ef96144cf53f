"""The application object that ``litestar run`` serves. Making it has no side effects."""

from .app import create_app

app = create_app()
