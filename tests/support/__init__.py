"""Servers, doubles, tiny models and checks that several tests share; it holds no tests."""
