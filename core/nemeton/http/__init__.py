"""The ASGI application and server of a role, and the blocking client."""
