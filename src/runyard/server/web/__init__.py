"""The HTTP edge: routes as data, decoding, errors, middleware, OpenAPI. It knows no slice."""

from runyard.server.web.application import Application
from runyard.server.web.routes import Call, Handler, Route, Twin, get, post

__all__ = ["Application", "Call", "Handler", "Route", "Twin", "get", "post"]
